# SPDX-License-Identifier: Apache-2.0
"""Vms that came to be other than they were asked to be: what was seen, and adopt it, repair it, or forget the vm."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.handlers.vms import find, locked
from services.api.intents.abilities import need
from services.api.views.drift import drift_view, entry_view
from services.api.views.jobs import tagged as tagged_job
from services.api.views.vms import tagged
from services.common.contracts.abilities import NEEDS
from services.common.contracts.codec import dump
from services.common.contracts.drift import Drift, How, repair_of
from services.common.contracts.errors import Conflict, IllegalMove, TryAgain
from services.common.contracts.states import VmState
from services.common.store.drifts import DriftEntry, drift_of, settle
from services.common.store.models import Vm
from services.common.store.opening import Opening, open_job

MOST = 200


def get(call: Call, db: Session) -> dict[str, Any]:
    """How it differs from what was asked for, what can be done, and what was seen, the latest first."""
    vm = find(call, db)
    mine = select(DriftEntry).where(DriftEntry.vm_id == vm.id).order_by(DriftEntry.at.desc(), DriftEntry.id.desc())
    return {"vm": vm.id, "drift": drift_view(vm), "items": [entry_view(row) for row in db.scalars(mine.limit(MOST))]}


def adopt(call: Call, db: Session) -> dict[str, Any]:
    """What is, is what was asked for from now on."""
    vm, _ = _drifted(call, db)
    if vm.state == VmState.MISSING:
        raise IllegalMove(f"vm {vm.name!r} is missing; repair it, or forget it")
    settle(db, vm, How.ADOPTED, call.who.username)
    vm.version += 1
    vm.updated_at = call.now
    db.flush()
    return tagged(call, db, vm)


def repair(call: Call, db: Session) -> Answer:
    """Send a job that brings back what was asked for. A vm that is gone is made again around its disks."""
    vm, drift = _drifted(call, db)
    kind = _repair_kind(vm, drift)
    verb = kind.removeprefix("vm.")
    if verb in NEEDS:
        need(db, vm, NEEDS[verb], verb, call.admin)
    opening = Opening(kind, vm.project_id, requested_by=call.who.id, trace_id=call.trace_id, repairs=True)
    job = open_job(db, opening, vm)
    vm.drift = {**dump(drift), "job": job.id}
    return _accepted(call, db, vm, job)


def forget(call: Call, db: Session) -> Answer:
    """Remove what is left of a vm that is missing: its record, claims, addresses and files."""
    vm, _ = _drifted(call, db)
    if vm.state != VmState.MISSING:
        raise IllegalMove(f"vm {vm.name!r} is {vm.state}, not missing: only what is gone can be forgotten; delete it")
    if vm.protect:
        raise Conflict(f"vm {vm.name!r} is protected; PATCH protect to false first")
    settle(db, vm, How.FORGOTTEN, call.who.username)
    opening = Opening("vm.delete", vm.project_id, requested_by=call.who.id, trace_id=call.trace_id)
    return _accepted(call, db, vm, open_job(db, opening, vm))


def _drifted(call: Call, db: Session) -> tuple[Vm, Drift]:
    vm = locked(call, db)
    drift = drift_of(vm)
    if drift is None or drift_view(vm) is None:
        raise IllegalMove(f"vm {vm.name!r} is {vm.state}, as it was asked to be: there is no drift")
    if vm.job_id:
        raise Conflict(f"vm {vm.name!r} is busy with job {vm.job_id}; wait for it, or cancel it")
    return vm, drift


def _repair_kind(vm: Vm, drift: Drift) -> str:
    kind = repair_of(drift, VmState(vm.state))
    if vm.state == VmState.MISSING and drift.files is None:
        raise TryAgain(f"the host of vm {vm.name!r} has not told yet whether its disks are still there")
    if kind:
        return kind
    if drift.files is False:
        raise IllegalMove(f"the disks of vm {vm.name!r} are gone, too: it can only be forgotten, and made anew")
    raise IllegalMove(f"vm {vm.name!r} is {vm.state} and was {drift.wanted}: no job brings that back; adopt it")


def _accepted(call: Call, db: Session, vm: Vm, job: Any) -> Answer:
    db.flush()
    body = {"vm": tagged(call, db, vm), "job": tagged_job(call, db, job)}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})
