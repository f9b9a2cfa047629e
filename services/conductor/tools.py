# SPDX-License-Identifier: Apache-2.0
"""The second source: what hypervisors' own programs say of guests is kept, and weighed where no guest speaks to us.

A vm whose guest never reported is `ready` once its cards are seen to have the addresses asked for, and
`network-mismatch` when they are seen not to have them for a while. Where a guest reports, its own word counts.
"""

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump, load
from services.common.contracts.events import AgentEvent
from services.common.contracts.states import RUNNING_VM, VM_MOVES, VmState, may_move
from services.common.contracts.tools import ToolsFacts, cleaned
from services.common.store import drifts
from services.common.store.database import Database
from services.common.store.guest_tools import SETTLE_S, GuestTools, disagreements_of
from services.common.store.vms import Vm

_LOOK_AGAIN_S = 2.0
_AT_ONCE = 100


class Tools:
    """Every method may run at any time, on any conductor; what is told twice changes nothing the second time."""

    def __init__(self, database: Database):
        self._database = database

    def record(self, event: AgentEvent) -> None:
        """A host has told what is said of a vm of its own."""
        facts, now = cleaned(load(ToolsFacts, event.data)), time.time()
        with self._database.write() as session:
            vm = session.get(Vm, event.vm, with_for_update=True)
            if vm is None or vm.host_id != event.host or vm.deleted_at is not None:
                return
            row = session.get(GuestTools, vm.id)
            if row is None:
                row = GuestTools(vm_id=vm.id, facts={}, since=now, at=now, due=None)
                session.add(row)
            row.at = now
            if row.facts != dump(facts):
                row.facts, row.since = dump(facts), now
                vm.version += 1
                _weigh(session, row, vm, now)

    def weigh_due(self) -> None:
        """Compare what was to be compared by now."""
        now = time.time()
        due = select(GuestTools.vm_id).where(GuestTools.due <= now).order_by(GuestTools.due).limit(_AT_ONCE)
        with self._database.read() as session:
            waiting = session.scalars(due).all()
        for vm_id in waiting:
            with self._database.write() as session:
                vm = session.get(Vm, vm_id, with_for_update=True)
                row = session.get(GuestTools, vm_id)
                if row is not None and vm is not None:
                    _weigh(session, row, vm, now)


def _weigh(session: Session, row: GuestTools, vm: Vm, now: float) -> None:
    row.due = None
    if vm.deleted_at is not None or vm.observed:
        return
    if vm.job_id is not None:
        row.due = now + _LOOK_AGAIN_S
        return
    if VmState(vm.state) not in RUNNING_VM:
        return
    wrong = disagreements_of(session, vm, row)
    if wrong and now < row.since + SETTLE_S:
        row.due = row.since + SETTLE_S
    elif wrong is not None:
        _move(session, vm, VmState.NETWORK_MISMATCH if wrong else VmState.READY, wrong, now)


def _move(session: Session, vm: Vm, new: VmState, wrong: list[str], now: float) -> None:
    old = VmState(vm.state)
    if old == new or not may_move(VM_MOVES, old, new):
        return
    vm.state, vm.updated_at = str(new), now
    vm.version += 1
    drifts.network_seen(session, vm, old, wrong)
