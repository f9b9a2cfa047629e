# SPDX-License-Identifier: Apache-2.0
"""The end of the place step: the claim, the decision behind it and the vm's host, in one transaction or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump
from services.common.contracts.errors import Conflict, TryAgain
from services.common.contracts.ids import derived_id
from services.common.contracts.journal import JobView, JsonDict
from services.common.contracts.placement import Decision, HostView
from services.common.store.hosts import Claim, Host, StoredDecision
from services.common.store.jobs import Job
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together
from services.common.store.vms import Vm
from services.scheduler import seen
from services.scheduler.choose import choose
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.groups import kept_apart
from services.scheduler.inventory import Inventory, load_inventory
from services.scheduler.metrics import CONFLICTS
from services.scheduler.policy import Policy

TRIES = 3
DECISIONS, VMS = table_of(StoredDecision), table_of(Vm)


@dataclass(frozen=True)
class Booking:
    """A choice on its way into the database. `facts` is what the step tells of it."""

    job: JobView
    policy: Policy
    inventory: Inventory
    decision: Decision
    now: float
    facts: JsonDict

    def write(self, session: Session) -> None:
        """Claim the chosen host, or the runner-up where others were faster; TryAgain when they all were."""
        decision, inventory = self._claim(session)
        store_decision(session, self.job, decision, self.now, inventory.hosts)
        set_host(session, self.job, decision.host, self.now)

    def _claim(self, session: Session) -> tuple[Decision, Inventory]:
        inventory, decision = self.inventory, self.decision
        claimant = Claimant(decision.request.id, self.job.id, self.now)
        for _ in range(TRIES):
            host = inventory.host(decision.host)
            if host is None:
                break
            if self._held(
                session,
                Wanted(
                    claimant,
                    decision.request,
                    host,
                    self.policy.capacity.limits(host),
                    kept_apart(self.policy, decision.request, host),
                ),
            ):
                facts = facts_of(decision, inventory)
                if facts != self.facts:
                    self._correct(session, facts)
                return decision, inventory
            CONFLICTS.inc()
            inventory = inventory.refreshed(load_inventory(session, self.now, only=[host.id]))
            decision = choose(decision.request, inventory.hosts, self.policy, inventory.generation)
        raise TryAgain("others took the room on every host that was tried; choosing again")

    def _held(self, session: Session, wanted: Wanted) -> bool:
        outcome = hold_together(session, [wanted])[wanted.claimant.vm]
        if outcome == Outcome.TAKEN:
            raise Conflict(f"vm {wanted.claimant.vm} has a claim already")
        return outcome == Outcome.HELD

    def _correct(self, session: Session, facts: JsonDict) -> None:
        """Another host than told was taken: the event, still to be written, and the job, already written, must say so.

        The other way round, too: a transaction that is repeated may get the host that it didn't get before.
        """
        self.facts.clear()
        self.facts.update(facts)
        whole = {**self.job.facts, self.job.step: facts}
        session.execute(update(Job).where(Job.id == self.job.id).values(facts=whole))


def facts_of(decision: Decision, inventory: Inventory) -> JsonDict:
    """What the place step tells: host, host_name, score, watts (None: unknown), policy."""
    host = inventory.host(decision.host)
    return {
        "host": decision.host,
        "host_name": host.name if host else "",
        "score": decision.candidates[0].score,
        "watts": decision.watts,
        "policy": decision.policy,
    }


def facts_again(session: Session, claim: Claim) -> JsonDict:
    """The facts of a claim that was made before, as they were told then."""
    name = session.scalars(select(Host.name).where(Host.id == claim.host_id)).one()
    query = select(StoredDecision.explanation).where(
        StoredDecision.vm_id == claim.vm_id, StoredDecision.host_id == claim.host_id
    )
    told = session.scalars(query.order_by(StoredDecision.created_at.desc()).limit(1)).first() or {}
    best: dict[str, Any] = next(iter(told.get("candidates", ())), {})
    return {
        "host": claim.host_id,
        "host_name": name,
        "score": best.get("score"),
        "watts": told.get("watts"),
        "policy": told.get("policy", ""),
    }


def store_decision(session: Session, job: JobView, decision: Decision, now: float, hosts: Iterable[HostView]) -> None:
    """Keep the whole explanation and the hosts it is told by; the same try of the same job keeps one, the last."""
    key = derived_id(job.id, "decision", job.fence)
    row = {
        "id": key,
        "project_id": job.project,
        "job_id": job.id,
        "vm_id": decision.request.id,
        "host_id": decision.host or None,
        "policy": decision.policy,
        "policy_sha": decision.policy_sha,
        "generation": decision.generation,
        "explanation": dump(decision),
        "seen": seen.kept(seen.concerned(decision, hosts)),
        "created_at": now,
    }
    write_together(session, [Row(DECISIONS, row, How.UPSERT)])


def host_row(vm_id: str, host_id: str, now: float) -> Row:
    """The vm's host, to be written together with others; it had another one before."""
    return Row(VMS, {"id": vm_id, "host_id": host_id, "updated_at": now}, How.BUMP)


def set_host(session: Session, job: JobView, host_id: str | None, now: float) -> None:
    """Write the vm's host down, or that it has none."""
    session.execute(
        update(VMS)
        .where(VMS.c.id == (job.vm.id if job.vm else ""), VMS.c.host_id.is_distinct_from(host_id))
        .values(host_id=host_id, version=VMS.c.version + 1, updated_at=now)
    )
