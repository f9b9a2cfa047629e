# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a vm: take, look at, go back to, remove."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers.vms import find, locked, opened
from services.api.intents.abilities import able, need
from services.api.intents.datastores import refuse_snapshot
from services.api.paging import Order, listed
from services.api.views.snapshots import snapshot_view
from services.common.contracts.abilities import NEEDS, Ability
from services.common.contracts.errors import Conflict, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import RUNNING_VM
from services.common.contracts.vm import Firmware
from services.common.store.models import Snapshot, Vm
from services.common.store.snapshots import Wanted, hardware_of, note

ORDER = Order(Snapshot.id, {"name": Snapshot.name, "created_at": Snapshot.id})
MOST = 64  # of one vm: each makes every file of it slower to open


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The vm's snapshots, page by page."""
    mine = select(Snapshot).where(Snapshot.vm_id == find(call, db).id)
    return listed(db, call, mine, ORDER, lambda rows: [snapshot_view(row) for row in rows])


def take(call: Call, db: Session) -> Answer:
    """Keep what the vm is now, with its memory where it runs and its host can do that."""
    vm = locked(call, db)
    need(db, vm, NEEDS["snapshot"], "snapshot", call.admin)
    if vm.spec.get("firmware") == Firmware.UEFI:
        need(db, vm, Ability.SNAPSHOT_UEFI, "snapshot of a vm with UEFI", call.admin)
    refuse_snapshot(db, vm)
    wanted = Wanted(new_id(), call.body["name"], _memory(call, db, vm), call.who.id)
    _room_for(db, vm, wanted.name)
    answer = opened(call, db, vm, "vm.snapshot", asdict(wanted))
    row = note(db, vm, wanted)
    return Answer({**answer.body, "snapshot": snapshot_view(row)}, answer.status, answer.headers)


def revert(call: Call, db: Session) -> Answer:
    """Make the vm what it was; what it is now is lost."""
    vm = locked(call, db)
    need(db, vm, NEEDS["revert"], "revert", call.admin)
    row = _found(call, db, vm)
    _fits(db, vm, row)
    return opened(call, db, vm, "vm.revert", _params(row))


def drop(call: Call, db: Session) -> Answer:
    """Keep it no longer; those that were taken after it stay."""
    vm = locked(call, db)
    need(db, vm, NEEDS["drop-snapshot"], "drop-snapshot", call.admin)
    return opened(call, db, vm, "vm.drop-snapshot", _params(_found(call, db, vm)))


def _params(row: Snapshot) -> dict[str, Any]:
    return asdict(Wanted(row.id, row.name, row.memory, row.created_by))


def _found(call: Call, db: Session, vm: Vm) -> Snapshot:
    row = db.get(Snapshot, call.path["snapshot_id"])
    if row is None or row.vm_id != vm.id:
        raise NotFound(f"vm {vm.name!r} has no snapshot {call.path['snapshot_id']}")
    return row


def _memory(call: Call, db: Session, vm: Vm) -> bool:
    """Whether its memory is kept, too."""
    asked: bool | None = call.body["memory"]
    if vm.state not in RUNNING_VM:
        if asked:
            detail = f"vm {vm.name!r} is {vm.state}: it has no memory to keep"
            raise Invalid(detail, [Problem("/memory", detail, "leave it out, or start the vm first")])
        return False
    if asked or (asked is None and able(db, vm, Ability.SNAPSHOT_MEMORY)):
        need(db, vm, Ability.SNAPSHOT_MEMORY, "snapshot with memory", call.admin)
        return True
    need(db, vm, Ability.SNAPSHOT_LIVE_DISKS, "snapshot without memory while the vm runs", call.admin)
    return False


def _room_for(db: Session, vm: Vm, name: str) -> None:
    if db.scalar(select(Snapshot.id).where(Snapshot.vm_id == vm.id, Snapshot.name == name)) is not None:
        detail = f"vm {vm.name!r} has a snapshot {name!r}"
        raise Conflict(detail, [Problem("/name", detail, "choose another name, or delete that snapshot")])
    if (db.scalar(select(func.count()).where(Snapshot.vm_id == vm.id)) or 0) >= MOST:
        raise Conflict(f"vm {vm.name!r} has {MOST} snapshots; delete one first")


def _fits(db: Session, vm: Vm, row: Snapshot) -> None:
    """A revert brings back the machine of then: it must have what the vm has now, and no more room than it holds."""
    if row.taken_at is None:
        raise Conflict(f"snapshot {row.name!r} is not taken yet")
    if row.hardware != hardware_of(db, vm):
        raise Conflict(f"disks or cards of vm {vm.name!r} are others than when {row.name!r} was taken; undo that first")
    if row.memory and (row.vcpus > vm.spec["vcpus"] or row.memory_mib > vm.spec["memory_mib"]):
        size = f"{row.vcpus} vcpus and {row.memory_mib} MiB"
        raise Conflict(f"snapshot {row.name!r} goes on with {size}; resize vm {vm.name!r} to at least that first")
