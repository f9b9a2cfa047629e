# SPDX-License-Identifier: Apache-2.0
"""Volumes: plugged into a vm, made larger, taken off, kept, removed."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers import vms
from services.api.intents.abilities import need
from services.api.intents.volumes import check_attach, check_grow, find_volume, kept_volume, new_volume
from services.api.paging import Order, chosen, listed
from services.api.views.jobs import tagged as tagged_job
from services.api.views.volumes import tagged_volume, volume_views
from services.common.contracts.abilities import Ability
from services.common.contracts.errors import IllegalMove
from services.common.contracts.states import RUNNING_VM, VolumeState
from services.common.store.models import Vm, Volume
from services.common.store.opening import Opening, open_job
from services.common.store.volumes import move_volume

JsonDict = dict[str, Any]
ORDER = Order(Volume.id, {"name": Volume.name, "created_at": Volume.id, "state": Volume.state})


def listing(call: Call, db: Session) -> JsonDict:
    """The project's volumes, plugged in or kept."""
    query = call.query
    deleted = Volume.deleted_at.is_not(None) if query["deleted"] else Volume.deleted_at.is_(None)
    statement = select(Volume).where(Volume.project_id == call.project.id, deleted)
    for name, column in (("state", Volume.state), ("name", Volume.name), ("vm", Volume.vm_id)):
        if query.get(name):
            statement = statement.where(column == query[name])
    return listed(db, call, statement, ORDER, lambda rows: volume_views(call, db, rows))


def of_vm(call: Call, db: Session) -> JsonDict:
    """The volumes of one vm."""
    vm = vms.find(call, db)
    rows = db.scalars(select(Volume).where(Volume.vm_id == vm.id).order_by(Volume.id)).all()
    return {"items": [chosen(v, call.query.get("fields")) for v in volume_views(call, db, rows)], "next": None}


def get(call: Call, db: Session) -> JsonDict:
    """One volume."""
    return chosen(tagged_volume(call, db, find_volume(call, db)), call.query.get("fields"))


def attach(call: Call, db: Session) -> Answer:
    """Make a volume and plug it into the vm, or plug one in that was kept; also while the vm runs."""
    vm = vms.locked(call, db)
    check_attach(call, db, vm)
    _needs(call, db, vm, Ability.VOLUME_ATTACH, "attach-volume")
    new = "size_gib" in call.body
    volume = new_volume(call, db, vm) if new else kept_volume(call, db, vm)
    return _opened(call, db, "vm.attach-volume", volume, vm, {"new": new})


def grow(call: Call, db: Session) -> Answer:
    """Make it larger; a running guest sees the larger disk at once, its file systems are the guest's matter."""
    vm = vms.locked(call, db)
    volume = find_volume(call, db)
    _needs(call, db, vm, Ability.VOLUME_GROW, "grow-volume")
    check_grow(call, db, volume)
    size = call.body["size_gib"]
    volume.wanted_gib = size
    move_volume(volume, VolumeState.GROWING, call.now)
    return _opened(call, db, "vm.grow-volume", volume, vm, {"size_gib": size})


def detach(call: Call, db: Session) -> Answer:
    """Take it off the vm. Unless it is kept, it is removed with all that is on it."""
    vm = vms.locked(call, db)
    volume = find_volume(call, db)
    _needs(call, db, vm, Ability.VOLUME_ATTACH, "detach-volume")
    if volume.state != VolumeState.ATTACHED:
        raise IllegalMove(f"volume {volume.name!r} is {volume.state}; only an attached one can be taken off")
    move_volume(volume, VolumeState.DETACHING, call.now)
    return _opened(call, db, "vm.detach-volume", volume, vm, {"keep": bool(call.query.get("keep"))})


def delete(call: Call, db: Session) -> Answer:
    """Remove a volume that no vm has, with all that is on it."""
    volume = find_volume(call, db)
    if volume.state != VolumeState.DETACHED:
        way = f"; DELETE /v1/vms/{volume.vm_id}/volumes/{volume.id} takes it off" if volume.vm_id else ""
        raise IllegalMove(f"volume {volume.name!r} is {volume.state}{way}")
    move_volume(volume, VolumeState.DELETING, call.now)
    return _opened(call, db, "volume.delete", volume, None, {})


def _needs(call: Call, db: Session, vm: Vm, ability: str, verb: str) -> None:
    need(db, vm, ability, verb, call.admin)
    if vm.state in RUNNING_VM and ability == Ability.VOLUME_ATTACH:
        need(db, vm, Ability.VOLUME_HOT, f"{verb} of a running vm", call.admin)


def _opened(call: Call, db: Session, kind: str, volume: Volume, vm: Vm | None, params: JsonDict) -> Answer:
    opening = Opening(
        kind,
        volume.project_id,
        params={"volume": volume.id, **params},
        requested_by=call.who.id,
        trace_id=call.trace_id,
    )
    db.flush()
    job = open_job(db, opening, vm)
    db.flush()
    body = {"volume": tagged_volume(call, db, volume), "job": tagged_job(call, db, job)}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})
