# SPDX-License-Identifier: Apache-2.0
"""The scheduler's steps: `place` finds a vm a host and holds room there, `release` gives it back."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from services.common.catalog import systems
from services.common.contracts.codec import dump
from services.common.contracts.data_disks import data_disks, with_disks
from services.common.contracts.errors import NoHost, NotYet
from services.common.contracts.journal import Done, Handler, JobView, StepContext, VmView
from services.common.contracts.masking import masked_decision
from services.common.contracts.placement import Decision, Request, request_of
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.scheduler.booking import Booking, facts_again, facts_of, set_host, store_decision
from services.scheduler.claims import held
from services.scheduler.engine.warm import Warmth
from services.scheduler.inventory import Inventory
from services.scheduler.lookout import Lookout, Sight
from services.scheduler.metrics import DECISION_SECONDS, DECISIONS
from services.scheduler.policy import Policy
from services.scheduler.policy_file import Shelf

log = get_logger(__name__)


def handlers(database: Database, shelf: Shelf, warmth: Warmth | None = None) -> Mapping[str, Handler]:
    """The handlers of the queue `scheduler` by step name."""
    placer = Placer(database, shelf, warmth)
    return {"place": placer.place, "release": placer.release}


class Placer:
    """Runs the steps against one database with the policies on one shelf."""

    def __init__(self, database: Database, shelf: Shelf, warmth: Warmth | None = None):
        self._database = database
        self._shelf = shelf
        self._now = 0.0  # of the step that runs
        self._lookout = Lookout(database, warmth, clock=lambda: self._now)

    def place(self, context: StepContext) -> Done:
        """Choose and claim. A vm that holds a claim keeps its host.

        Raises NoHost with the explanation; NotYet while the policy lets the vm wait for room.
        """
        with self._database.ask() as session:  # claims are compared and swapped: no need to see one moment
            claim = held(session, context.vm.id)
            facts = facts_again(session, claim) if claim else {}
        if claim:
            host = claim.host_id
            return Done(facts, write=lambda s: set_host(s, context.job, host, context.now))
        request = placed_by(context.job, context.vm)
        policy = self._shelf.chosen(request, context.vm.spec.policy)
        self._now = context.now
        with self._lookout.now() as sight:
            decision, hosts = timed(sight, request, policy), len(sight)
            inventory = sight.inventory(None if decision.host else [miss.host for miss in decision.misses])
        if not decision.host:
            self._keep(context, decision, inventory)
            until = context.job.created_at + policy.on_no_host.deadline_s
            if policy.on_no_host.retry and context.now < until:
                raise NotYet(f"no host can take {context.vm.name!r} yet; it waits for room", until)
            raise no_host(context.vm.name, decision, hosts, pinned=data_disks(context.job.params).host)
        facts = facts_of(decision, inventory)
        log.info("host chosen", host=decision.host, score=facts["score"], policy=policy.name)
        booking = Booking(context.job, policy, inventory, decision, context.now, facts)
        return Done(facts, write=booking.write)

    def release(self, context: StepContext) -> Done:
        """Give back the vm's capacity and its static addresses; fine where it held none."""
        vm = context.vm.id

        def write(session: Session) -> None:
            if give_back(session, vm):
                log.info("claim released")
            set_host(session, context.job, None, context.now)

        return Done(write=write)

    def _keep(self, context: StepContext, decision: Decision, inventory: Inventory) -> None:
        # A step that fails has no transaction of its own at its end; kept twice it is the same row.
        with self._database.write() as session:
            store_decision(session, context.job, decision, context.now, inventory.hosts)


def request_for(vm: VmView) -> Request:
    """What the vm needs of a host, what its system can't do without included."""
    system = systems().get(vm.spec.os)
    return request_of(vm.id, vm.project, vm.spec, system.needs if system is not None else ())


def placed_by(job: JobView, vm: VmView) -> Request:
    """What the vm that the job makes needs of a host, the volumes it is made with included."""
    return with_disks(request_for(vm), data_disks(job.params))


def timed(sight: Sight, request: Request, policy: Policy) -> Decision:
    """The decision, counted and timed."""
    with DECISION_SECONDS.time():
        decision = sight.explained(request, policy)
    DECISIONS.labels("placed" if decision.host else "no-host").inc()
    return decision


def no_host(name: str, decision: Decision, hosts: int, pinned: str = "") -> NoHost:
    """The error for the job. Its readers may not know hosts by name, whoever asked for one.

    `pinned`: the host on which its volumes lie. Nobody asked for that, so to leave it out is no way.
    """
    if pinned:
        ways = tuple(way for way in decision.relaxations if "host" not in way.field.split(", "))
        here = tuple(miss for miss in decision.misses if miss.host == pinned)
        decision = replace(decision, relaxations=ways, misses=here or decision.misses)
    told = masked_decision(dump(decision))
    if not hosts:
        reason = "no host is registered yet; register one, then retry"
    else:
        near = "; ".join(m["reason"] for m in told["misses"][:2])
        way = told["relaxations"][0]["sentence"] if told["relaxations"] else "no change of the request would help"
        reason = f"none of {hosts} host(s) can take {name!r}: {near}; nearest way: {way}"
        reason += "; it can be on no other host than the one on which its volumes lie" if pinned else ""
    return NoHost(reason, extra={"explanation": told})
