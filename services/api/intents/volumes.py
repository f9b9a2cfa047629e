# SPDX-License-Identifier: Apache-2.0
"""What users want of volumes, checked whole: sizes, names, whose they are, quota, and room on the host."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.quota import DISK, within_quota
from services.common.contracts.errors import Conflict, IllegalMove, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.states import VolumeState
from services.common.store.models import Host, Vm, Volume
from services.common.store.volumes import free_disk, move_volume

JsonDict = dict[str, Any]
MOST = 16  # volumes of one vm: as many as every system can name


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
    volume_id = new_id()
    name, size = call.body.get("name") or f"{vm.name}-{volume_id[-8:]}", call.body["size_gib"]
    taken = (Volume.project_id == vm.project_id, Volume.name == name, Volume.deleted_at.is_(None))
    if db.scalar(select(Volume.id).where(*taken)):
        detail = f"a volume named {name!r} exists in this project"
        raise Conflict(detail, [Problem("/name", detail, "choose another name")])
    host = _host(db, vm)
    within_quota(db, call.project, {DISK: size}, "/size_gib")
    _room(db, host, size, "/size_gib")
    volume = Volume(
        id=volume_id,
        project_id=vm.project_id,
        name=name,
        state=str(VolumeState.ATTACHING),
        size_gib=size,
        wanted_gib=size,
        held_gib=0,
        host_id=host,
        vm_id=vm.id,
        keep=call.body.get("keep", False),
        created_by=call.who.id,
        created_at=call.now,
        updated_at=call.now,
        deleted_at=None,
    )
    db.add(volume)
    db.flush()
    return volume


def kept_volume(call: Call, db: Session, vm: Vm) -> Volume:
    """The detached volume that the body names, now the vm's."""
    named = call.body["volume"]
    mine = (Volume.project_id == vm.project_id, Volume.deleted_at.is_(None))
    query = select(Volume).where(*mine, (Volume.id == named) | (Volume.name == named)).with_for_update()
    volume = db.scalars(query).first()
    if volume is None:
        fix = "GET /v1/volumes?state=detached lists those that can be attached"
        raise Invalid(f"there is no volume {named!r}", [Problem("/volume", f"there is no volume {named!r}", fix)])
    if volume.state != VolumeState.DETACHED:
        raise IllegalMove(f"volume {volume.name!r} is {volume.state}; only a detached one can be attached")
    if volume.host_id != vm.host_id:
        detail = f"volume {volume.name!r} lies on another host than vm {vm.name!r}"
        raise Conflict(detail, [Problem("/volume", detail, "attach it to a vm of that host")])
    volume.vm_id = vm.id
    volume.keep = call.body.get("keep", True)
    move_volume(volume, VolumeState.ATTACHING, call.now)
    return volume


def check_attach(call: Call, db: Session, vm: Vm) -> None:
    """Raise Invalid where the body contradicts itself, Conflict where the vm has as many as it can have."""
    given = [key for key in ("size_gib", "volume") if key in call.body]
    if len(given) != 1:
        detail = "give size_gib for a new volume, or volume for one that was kept"
        raise Invalid(detail, [Problem(f"/{given[-1]}" if given else "/size_gib", detail, "exactly one of the two")])
    if "volume" in call.body and "name" in call.body:
        detail = "a volume that was kept has a name"
        raise Invalid(detail, [Problem("/name", detail, "leave it out")])
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
    within_quota(db, call.project, {DISK: size - volume.size_gib}, "/size_gib")
    _room(db, volume.host_id, size - volume.held_gib, "/size_gib")


def _host(db: Session, vm: Vm) -> str:
    host = db.get(Host, vm.host_id) if vm.host_id else None
    if host is None:
        raise IllegalMove(f"vm {vm.name!r} is {vm.state} and on no host; it can have no volume")
    return host.id


def _room(db: Session, host_id: str, more: int, pointer: str) -> None:
    """What is said at once to most; whoever comes at the same moment is refused by the job's first step."""
    free = free_disk(db, host_id)
    if more > free:
        detail = f"{more} GiB more are needed, and the vm's host has {max(0, free)} GiB of disk left"
        raise Conflict(detail, [Problem(pointer, detail, f"at most {max(0, free)} GiB more")])
