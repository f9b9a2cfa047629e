# SPDX-License-Identifier: Apache-2.0
"""What users want of volumes, checked whole: sizes, names, whose they are, quota, and room on the host."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.datastores import need_datastore, need_growing, refuse_beside_snapshots
from services.api.intents.quota import DISK, within_quota
from services.common.contracts.data_disks import MOST
from services.common.contracts.errors import Conflict, IllegalMove, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import VolumeState
from services.common.store.models import Host, Vm, Volume
from services.common.store.volumes import free_room, move_volume, name_taken

JsonDict = dict[str, Any]


def find_volume(call: Call, db: Session) -> Volume:
    """The volume of the path; raises NotFound for another project's, for deleted ones, and for another vm's."""
    mine = [Volume.id == call.path["volume_id"], Volume.project_id == call.project.id, Volume.deleted_at.is_(None)]
    if "vm_id" in call.path:
        mine.append(Volume.vm_id == call.path["vm_id"])
    volume = db.scalars(select(Volume).where(*mine).with_for_update()).first()
    if volume is None:
        where = f"at vm {call.path['vm_id']}" if "vm_id" in call.path else f"in project {call.project.name!r}"
        raise NotFound(f"there is no volume {call.path['volume_id']} {where}")
    return volume


def new_volume(call: Call, db: Session, vm: Vm) -> Volume:
    """A volume to be made where the vm is. Nothing is written on an error."""
    volume = volume_row(call, call.body, vm.id, vm.name)
    taken = name_problem(db, volume, "/name")
    if taken:
        raise Conflict(taken[0].detail, taken)
    volume.host_id = _host(db, vm)
    if volume.datastore:
        need_datastore(db, volume.datastore, "/datastore", host=volume.host_id)
        refuse_beside_snapshots(db, vm, volume)
    within_quota(db, call.project, {DISK: volume.size_gib}, "/size_gib")
    _room(db, volume, volume.size_gib, "/size_gib")
    db.add(volume)
    db.flush()
    return volume


def volume_row(call: Call, asked: Mapping[str, Any], vm_id: str, vm_name: str) -> Volume:
    """A new volume as asked for, to be plugged into this vm; on no host yet."""
    volume_id = new_id()
    return Volume(
        id=volume_id,
        project_id=call.project.id,
        name=asked.get("name") or f"{vm_name}-{volume_id[-8:]}",
        state=str(VolumeState.ATTACHING),
        size_gib=asked["size_gib"],
        wanted_gib=asked["size_gib"],
        held_gib=0,
        host_id=None,
        datastore=asked.get("datastore", ""),
        vm_id=vm_id,
        keep=asked.get("keep", False),
        created_by=call.who.id,
        created_at=call.now,
        updated_at=call.now,
        deleted_at=None,
    )


def name_problem(db: Session, volume: Volume, pointer: str) -> list[Problem]:
    """What is wrong with the name of a new one: another volume of the project has it."""
    if not name_taken(db, volume):
        return []
    return [Problem(pointer, f"a volume named {volume.name!r} exists in this project", "choose another name")]


def kept_volume(call: Call, db: Session, vm: Vm) -> Volume:
    """The detached volume that the body names, now the vm's."""
    volume = detached_volume(db, vm.project_id, call.body["volume"], "/volume")
    if volume.host_id != vm.host_id:
        detail = f"volume {volume.name!r} lies on another host than vm {vm.name!r}"
        raise Conflict(detail, [Problem("/volume", detail, "attach it to a vm of that host")])
    plugged(volume, vm.id, call.body.get("keep", True), call.now)
    return volume


def detached_volume(db: Session, project_id: str, named: str, pointer: str) -> Volume:
    """The project's volume of that name or id, locked; Invalid where there is none, IllegalMove where a vm has it."""
    mine = (Volume.project_id == project_id, Volume.deleted_at.is_(None))
    query = select(Volume).where(*mine, (Volume.id == named) | (Volume.name == named)).with_for_update()
    volume = db.scalars(query.execution_options(populate_existing=True)).first()
    if volume is None:
        fix = "GET /v1/volumes?state=detached lists those that can be attached"
        raise Invalid(f"there is no volume {named!r}", [Problem(pointer, f"there is no volume {named!r}", fix)])
    if volume.state != VolumeState.DETACHED:
        detail = f"volume {volume.name!r} is {volume.state}; only a detached one can be attached"
        raise IllegalMove(detail, [Problem(pointer, detail, "take it off its vm first, or name another one")])
    return volume


def plugged(volume: Volume, vm_id: str, keep: bool, now: float) -> None:
    """From now on it is the vm's."""
    volume.vm_id, volume.keep = vm_id, keep
    move_volume(volume, VolumeState.ATTACHING, now)


def contradictions(asked: Mapping[str, Any], at: str = "") -> Iterator[Problem]:
    """What is wrong with a volume that is asked for, whatever there is."""
    given = [key for key in ("size_gib", "volume") if key in asked]
    if len(given) != 1:
        detail = "give size_gib for a new volume, or volume for one that was kept"
        yield Problem(f"{at}/{given[-1]}" if given else f"{at}/size_gib", detail, "exactly one of the two")
    elif "volume" in asked:
        told = {"name": "has a name", "datastore": "lies where it was made"}
        wrong = [key for key in told if key in asked]
        yield from (Problem(f"{at}/{key}", f"a volume that was kept {told[key]}", "leave it out") for key in wrong)


def check_attach(call: Call, db: Session, vm: Vm) -> None:
    """Raise Invalid where the body contradicts itself, Conflict where the vm has as many as it can have."""
    for problem in contradictions(call.body):
        raise Invalid(problem.detail, [problem])
    held = db.scalars(select(Volume.id).where(Volume.vm_id == vm.id)).all()
    if len(held) >= MOST:
        raise Conflict(f"vm {vm.name!r} has {len(held)} volumes, which is the most; detach one")


def check_grow(call: Call, db: Session, volume: Volume) -> None:
    """Raise Invalid for a size that isn't larger, IllegalMove for a volume that is busy."""
    size = call.body["size_gib"]
    if volume.state != VolumeState.ATTACHED:
        raise IllegalMove(f"volume {volume.name!r} is {volume.state}; only an attached one can grow")
    if size <= volume.size_gib:
        detail = f"volume {volume.name!r} has {volume.size_gib} GiB, and a volume never shrinks"
        raise Invalid(detail, [Problem("/size_gib", detail, f"give more than {volume.size_gib}")])
    need_growing(db, volume)
    within_quota(db, call.project, {DISK: size - volume.size_gib}, "/size_gib")
    _room(db, volume, size - volume.held_gib, "/size_gib")


def _host(db: Session, vm: Vm) -> str:
    host = db.get(Host, vm.host_id) if vm.host_id else None
    if host is None:
        raise IllegalMove(f"vm {vm.name!r} is {vm.state} and on no host; it can have no volume")
    return host.id


def _room(db: Session, volume: Volume, more: int, pointer: str) -> None:
    """What is said at once to most; whoever comes at the same moment is refused by the job's first step."""
    free = free_room(db, volume.host_id or "", volume.datastore)
    if more > free:
        where = f"on datastore {volume.datastore!r}" if volume.datastore else "of disk"
        detail = f"{more} GiB more are needed, and the vm's host has {max(0, free)} GiB {where} left"
        raise Conflict(detail, [Problem(pointer, detail, f"at most {max(0, free)} GiB more")])
