# SPDX-License-Identifier: Apache-2.0
"""The reconciler: compares what every agent says exists with what should: adopt, repair, forget or collect.

Nothing is collected before it has been an orphan for a grace period, and never while a job works on the vm.
Only what carries this installation's owner mark is ever touched.
"""

import time
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.codec import load
from services.common.contracts.commands import Command, Verb
from services.common.contracts.events import AgentEvent, InventoryItem
from services.common.contracts.ids import derived_id
from services.common.contracts.sizes import Sizes
from services.common.contracts.states import RUNNING_VM, SETTLED_VM, VM_MOVES, VmState, may_move
from services.common.runtime.log import get_logger
from services.common.store import drifts, outbox
from services.common.store.catalogue import AddressLease
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.hosts import Claim
from services.common.store.journal import SqlJournal
from services.common.store.sizes import lower_claim
from services.common.store.vms import Vm
from services.conductor.metrics import CLAIMS_REPAIRED, ORPHANS

log = get_logger(__name__)
# A vm that a host doesn't list is missing only after this: it may be on its way there.
MISSING_AFTER_S = 15.0
LONGEST_WHY = 300
# A list may have been begun before what was done to a vm in these seconds; the next one knows.
FRESH_S = 3.0
POWER_STATE: Mapping[str, VmState] = {
    "off": VmState.STOPPED,
    "crashed": VmState.STOPPED,
    "paused": VmState.SUSPENDED,
    "absent": VmState.MISSING,
}


OFF = ("off", "crashed")


class Reconciler:
    """Works on one host's inventory at a time."""

    def __init__(self, database: Database, journal: SqlJournal, grace_s: float):
        self._database = database
        self._journal = journal
        self._grace_s = grace_s
        # Since when something looks wrong. Lost with the process, which only prolongs the grace.
        self._since: dict[tuple[str, str], float] = {}

    def inventory(self, event: AgentEvent) -> None:
        """A whole inventory of one host."""
        items = {i.vm: i for i in (load(InventoryItem, item) for item in event.data.get("vms", []))}
        with self._database.write() as session:
            platform = self._journal.platform(session)
            known = {v.id: v for v in session.scalars(select(Vm).where(Vm.id.in_(list(items)))).all()}
            for item in items.values():
                if item.platform == platform:
                    self._one(session, event.host, item, known.get(item.vm))
            if event.data.get("complete"):
                self._absent(session, event.host, set(items))

    def lifecycle(self, event: AgentEvent) -> None:
        """A host saw a vm change its power state."""
        with self._database.write() as session:
            vm = session.get(Vm, event.vm)
            if vm is not None and vm.host_id == event.host:
                self._power(session, vm, str(event.data.get("power", "")), str(event.data.get("why", ""))[:LONGEST_WHY])

    def _one(self, session: Session, host: str, item: InventoryItem, vm: Vm | None) -> None:
        if vm is not None and vm.job_id:
            self._forget(host, item.vm)
            return
        wanted = vm is not None and vm.host_id == host and vm.state in SETTLED_VM
        if wanted and vm is not None:
            self._forget(host, item.vm)
            if time.time() - vm.updated_at < FRESH_S:
                return
            self._power(session, vm, item.power)
            if vm.state == VmState.MISSING:
                drifts.files_found(vm, item.power == "absent")
            drifts.look_again(session, vm)
        elif self._lasted(host, item.vm, self._grace_s):
            self._collect(session, host, item, vm)

    def _collect(self, session: Session, host: str, item: InventoryItem, vm: Vm | None) -> None:
        fence = max(item.fence, vm.fence if vm else 0)
        ORPHANS.inc()
        log.warning("collecting an orphan", host=host, vm=item.vm, name=item.name)
        command = Command(
            id=derived_id(item.vm, "collect", host, fence),
            verb=Verb.ERASE,
            host=host,
            vm=item.vm,
            job="",
            step="collect",
            fence=fence,
            platform=item.platform,
            timeout_s=60,
        )
        outbox.put(session, command=command)
        self._forget(host, item.vm)

    def _absent(self, session: Session, host: str, listed: set[str]) -> None:
        mine = select(Vm).where(Vm.host_id == host, Vm.job_id.is_(None), Vm.state.in_([str(s) for s in SETTLED_VM]))
        for vm in session.scalars(mine).all():
            if vm.id in listed:
                continue
            if vm.state == VmState.MISSING:
                drifts.files_found(vm, False)
            if vm.state != VmState.MISSING and self._lasted(host, vm.id, MISSING_AFTER_S):
                self._power(session, vm, "absent")
                self._forget(host, vm.id)

    def _power(self, session: Session, vm: Vm, power: str, why: str = "") -> None:
        if power == vm.power and not (vm.job_id is None and self._drifted(vm, power)):
            return
        vm.power = power
        vm.version += 1
        if power in OFF and vm.pending:
            # Whoever switched it off: the sizes that waited for that are those it has from now on.
            vm.pending = None
            lower_claim(session, vm.id, Sizes(vm.spec["vcpus"], vm.spec["memory_mib"]))
        if vm.job_id is None and self._drifted(vm, power):
            old = VmState(vm.state)
            # Running again without our doing: what its guest last said may be stale, so it is not called verified.
            new = POWER_STATE.get(power, VmState.READY_UNVERIFIED)
            if old != new and may_move(VM_MOVES, old, new):
                vm.state = str(new)
                vm.updated_at = time.time()
                log.warning("vm drifted", vm=vm.id, was=str(old), now=str(new), power=power)
                drifts.found(session, vm, old, power, why)

    def _drifted(self, vm: Vm, power: str) -> bool:
        if vm.state not in SETTLED_VM:
            return False
        if power == "on":
            return vm.state not in RUNNING_VM
        return power in POWER_STATE and vm.state != POWER_STATE[power]

    def _lasted(self, host: str, vm: str, seconds: float) -> bool:
        since = self._since.setdefault((host, vm), time.monotonic())
        return time.monotonic() - since >= seconds

    def _forget(self, host: str, vm: str) -> None:
        self._since.pop((host, vm), None)


def repair_claims(database: Database) -> int:
    """Give back what claims and addresses hold for vms that are gone and that no job works on."""
    gone = (Vm.job_id.is_(None)) & (Vm.deleted_at.is_not(None) | (Vm.state == VmState.FAILED))
    with database.read() as session:
        leaked = session.scalars(select(Claim.vm_id).join(Vm, Vm.id == Claim.vm_id).where(gone)).all()
        addresses = session.scalars(select(AddressLease.vm_id).join(Vm, Vm.id == AddressLease.vm_id).where(gone)).all()
    for vm_id in {*leaked, *addresses}:
        with database.write() as session:
            # A retry may have taken it up in this moment: what it holds now, it needs.
            if session.scalar(select(Vm.id).where(Vm.id == vm_id, gone).with_for_update()) is None:
                continue
            give_back(session, vm_id)
        CLAIMS_REPAIRED.inc()
        log.warning("released what a gone vm still held", vm=vm_id)
    return len(leaked)
