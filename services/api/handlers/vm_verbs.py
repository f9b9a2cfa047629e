# SPDX-License-Identifier: Apache-2.0
"""Verbs of a vm's life that not every hypervisor has."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers.previewing import previewed
from services.api.handlers.vms import locked, opened
from services.api.intents.abilities import need
from services.api.intents.cloning import clone_vm
from services.api.views.jobs import fresh_view
from services.api.views.vms import tagged
from services.common.catalog import Delivery
from services.common.contracts.abilities import NEEDS, Ability
from services.common.contracts.codec import dump
from services.common.contracts.errors import Conflict, IllegalMove
from services.common.contracts.flow import INSTALLS
from services.common.contracts.states import VmState
from services.common.store.models import Snapshot
from services.common.store.network_plans import network_plans


def reset(call: Call, db: Session) -> Answer:
    """Press the reset button; the guest is not asked."""
    return _verb(call, db, "reset")


def suspend(call: Call, db: Session) -> Answer:
    """Let it stand still, its memory kept."""
    return _verb(call, db, "suspend")


def resume(call: Call, db: Session) -> Answer:
    """Let it go on where it stood still."""
    return _verb(call, db, "resume")


def rebuild(call: Call, db: Session) -> Answer:
    """Install its system anew: same id, cards, addresses and volumes; what was on its first disk is lost."""
    vm = locked(call, db)
    need(db, vm, NEEDS["rebuild"], "rebuild", call.admin)
    if vm.protect:
        raise Conflict(f"vm {vm.name!r} is protected; PATCH protect to false first")
    if db.scalar(select(Snapshot.id).where(Snapshot.vm_id == vm.id).limit(1)) is not None:
        raise Conflict(f"vm {vm.name!r} has snapshots, which can't be kept; delete them first")
    system = call.parts.systems.get(vm.os)
    if system is None:
        raise Conflict(f"the os {vm.os!r} of vm {vm.name!r} is not in the catalogue any more")
    installs = {INSTALLS: True} if system.delivery == Delivery.INSTALLER else {}
    plans = network_plans(db, (nic["network"] for nic in vm.spec["nics"]))
    return opened(call, db, vm, "vm.rebuild", {"networks": dump(plans), **installs})


def clone(call: Call, db: Session) -> Answer:
    """Make a new vm with a copy of this one's first disk, on the same host; it is left off. Volumes are not copied."""
    source = locked(call, db)
    need(db, source, NEEDS["clone"], "clone", call.admin)
    if call.body["linked"]:
        need(db, source, Ability.CLONE_LINKED, "a linked clone", call.admin)
    if source.job_id:
        raise Conflict(f"vm {source.name!r} is busy with job {source.job_id}; wait for it, or cancel it")
    if source.state != VmState.STOPPED:
        raise IllegalMove(f"vm {source.name!r} is {source.state}; clone is not possible from there, stop it first")
    vm, job = clone_vm(call, db, source)
    body = {"vm": tagged(call, db, vm), "job": fresh_view(call, db, job, vm.os)}
    preview = previewed(call, vm) if call.dry_run else None
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"}, preview)


def _verb(call: Call, db: Session, verb: str) -> Answer:
    vm = locked(call, db)
    need(db, vm, NEEDS[verb], verb, call.admin)
    return opened(call, db, vm, f"vm.{verb}")
