# SPDX-License-Identifier: Apache-2.0
"""The steps of queue `worker`: commands to a host, then boot and verify, which the guest answers."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from services.common.contracts.deploying import deploy_plan, networks_of
from services.common.contracts.journal import Done, Handler, Outcome, Park, StepContext, VmView
from services.common.contracts.observed import mismatches
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.sizes import Sizes
from services.common.contracts.states import VmState
from services.common.store.database import Database
from services.common.store.guest_tools import weigh_later
from services.common.store.network_plans import network_plans
from services.common.store.sizes import lower_claim, set_pending
from services.common.store.vms import Vm
from services.common.store.volumes import plan_of, volumes_of


class HostSteps:
    """Handlers that need to read what is known of networks and of the guest."""

    def __init__(self, database: Database):
        self._database = database

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {
            "deploy": self.deploy,
            "start": self.power_on,
            "reboot": self.power_on,
            "reset": self.power_on,
            "stop": self.order,
            "force-stop": self.order,
            "suspend": self.order,
            "wipe": self.order,
            "resume": self.order,
            "erase": self.erase,
            "install": self.install,
            "boot": self.boot,
            "verify": self.verify,
        }

    def deploy(self, context: StepContext) -> Outcome:
        """Volumes and definition on the host that was chosen."""
        networks = networks_of(context.job)
        if not networks:
            with self._database.read() as session:
                networks = network_plans(session, (n.network for n in context.vm.spec.nics))
        return Park(command_for(context.job, host_of(context.job), deploy_plan(context.job, networks)))

    def power_on(self, context: StepContext) -> Outcome:
        """Start, reboot or reset; remembers which boot the guest was in, so that a later report is known to be new."""
        with self._database.read() as session:
            before = (self._observed(session, context) or {}).get("boot_id", "")
        return Park(command_for(context.job, host_of(context.job)), {"boot_before": before})

    def order(self, context: StepContext) -> Outcome:
        """What the host does by itself: its report ends the step."""
        return Park(command_for(context.job, host_of(context.job)))

    def erase(self, context: StepContext) -> Outcome:
        """Take everything of the vm off its host; where it never had one there is nothing to do.

        Volumes that outlive it stay; those that have nothing on them yet don't.
        """
        host = host_of(context.job)
        if not host:
            return Done()
        with self._database.ask() as session:
            found = volumes_of(session, context.vm.id)
            volumes = tuple(plan_of(v, keep=False) for v in found if not (v.keep and v.held_gib))
        return Park(replace(command_for(context.job, host), volumes=volumes))

    def install(self, _context: StepContext) -> Outcome:
        """Wait for the installer to say that it is done."""
        return Park()

    def boot(self, context: StepContext) -> Outcome:
        """Wait for the guest to report the network that was asked for."""
        if not context.vm.spec.guest_agent:
            return Done({"unverified": "the image has no guest agent"})
        return Park()

    def verify(self, context: StepContext) -> Outcome:
        """Compare what the guest saw with what was asked for."""
        with self._database.read() as session:
            networks = network_plans(session, (n.network for n in context.vm.spec.nics))
            row = session.get_one(Vm, context.vm.id)
        observed = row.observed or {}
        in_force = bool(row.pending) and _was_off(context)
        write = partial(_in_force, context.vm) if in_force else None
        unverified = _unverified(context, observed)
        if unverified:
            unseen = partial(_unseen, context.vm, in_force, context.now)
            return Done({"verified": False, "reason": unverified}, VmState.READY_UNVERIFIED, unseen)
        wrong = mismatches(context.vm.spec.network, observed, networks)
        if wrong:
            return Done({"verified": False, "mismatches": wrong}, VmState.NETWORK_MISMATCH, write)
        return Done({"verified": True, "addresses": _addresses(observed)}, VmState.READY, write)

    def _observed(self, session: Session, context: StepContext) -> dict[str, Any] | None:
        row = session.get(Vm, context.vm.id)
        return row.observed if row else None


def _unverified(context: StepContext, observed: Mapping[str, Any]) -> str:
    """Why nobody can say whether the network is as asked; "" where the guest has reported."""
    boot = context.job.facts.get("boot")
    if boot is not None:
        return str(boot.get("unverified", ""))
    # No boot was waited for: the guest goes on where it was, and what it reported last still holds.
    return "" if observed else "the guest has never reported"


def _was_off(context: StepContext) -> bool:
    """Whether the vm was off in this very job: what waited for that holds since."""
    return bool({"start", "reboot"} & set(context.job.facts))


def _in_force(vm: VmView, session: Session) -> None:
    """The sizes that were asked for are those it has: nothing waits, and no more is held than that."""
    set_pending(session, vm.id, {})
    lower_claim(session, vm.id, Sizes(vm.spec.vcpus, vm.spec.memory_mib))


def _unseen(vm: VmView, in_force: bool, now: float, session: Session) -> None:
    """No guest has told of its network: what its hypervisor's tools say of this boot counts, in a while."""
    if in_force:
        _in_force(vm, session)
    weigh_later(session, vm.id, now)


def _addresses(observed: Mapping[str, Any]) -> dict[str, list[str]]:
    return {str(i.get("mac")): list(i.get("addresses", [])) for i in observed.get("interfaces", [])}
