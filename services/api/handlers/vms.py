# SPDX-License-Identifier: Apache-2.0
"""Vms: make, look at, change, start, stop, delete."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Answer, Call
from services.api.handlers.answer_files import answer_files
from services.api.handlers.previewing import previewed
from services.api.intents.abilities import need
from services.api.intents.create_vm import create_vm, hashed
from services.api.intents.resolve import resolve
from services.api.intents.world import world_for
from services.api.paging import Order, chosen, listed
from services.api.views.jobs import fresh_view
from services.api.views.jobs import tagged as tagged_job
from services.api.views.vms import tagged, vm_views
from services.common.catalog import Delivery
from services.common.contracts.abilities import NEEDS
from services.common.contracts.data_disks import data_disks
from services.common.contracts.errors import Conflict, NotFound, TryAgain
from services.common.contracts.ids import new_id
from services.common.contracts.states import VmState
from services.common.contracts.vm import VmSpec
from services.common.runtime.log import get_logger
from services.common.store.models import Host, Job, Vm, Volume
from services.common.store.opening import Opening, open_job

log = get_logger(__name__)
ORDER = Order(Vm.id, {"name": Vm.name, "created_at": Vm.id, "state": Vm.state})


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The project's vms, page by page; never asks a hypervisor."""
    query = call.query
    deleted = Vm.deleted_at.is_not(None) if query["deleted"] else Vm.deleted_at.is_(None)
    statement = select(Vm).where(Vm.project_id == call.project.id, deleted)
    for name, column in (("state", Vm.state), ("name", Vm.name), ("os", Vm.os)):
        if query.get(name):
            statement = statement.where(column == query[name])
    if query.get("host") and call.admin:
        ids = select(Host.id).where((Host.name == query["host"]) | (Host.id == query["host"]))
        statement = statement.where(Vm.host_id.in_(ids))
    if query.get("label"):
        key, _, value = query["label"].partition("=")
        statement = statement.where(Vm.labels[key].as_string() == value)
    return listed(db, call, statement, ORDER, lambda rows: vm_views(call, db, rows))


def get(call: Call, db: Session) -> dict[str, Any]:
    """One vm, as asked for and as seen from inside."""
    vm = find(call, db)
    return chosen(tagged(call, db, vm), call.query.get("fields"))


def prepared(call: Call) -> dict[str, str]:
    """Before the transaction: the passwords' hashes; and what only an installer's templates refuse is refused here.

    The catalogue says what the other systems can't have.
    """
    system = call.parts.systems.get(call.body["os"])
    if system is not None and system.delivery == Delivery.INSTALLER and not call.dry_run:
        vm_id = new_id()
        with call.parts.database.read() as db:
            spec, _ = resolve(vm_id, call.body, world_for(call, db, call.body))
        if spec is not None:
            _refused_by_templates(call, vm_id, spec)
    return hashed(call)


def _refused_by_templates(call: Call, vm_id: str, spec: VmSpec) -> None:
    try:
        answer_files(call, vm_id, spec)
    except TryAgain as error:
        # A vm can be asked for while no image builder runs; its step `build` refuses the same then.
        log.info("nobody could say whether the installer takes this vm", vm=vm_id, reason=error.detail)


def create(call: Call, db: Session) -> Answer:
    """Have a vm made: checks everything, then answers 202 with the vm and the job that makes it."""
    vm, job = create_vm(call, db)
    body = {"vm": tagged(call, db, vm, bare=not call.body["volumes"]), "job": fresh_view(call, db, job, vm.os)}
    preview = previewed(call, vm, data_disks(job.params)) if call.dry_run else None
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"}, preview)


def change(call: Call, db: Session) -> dict[str, Any]:
    """Change labels or protection."""
    vm = locked(call, db)
    etags.check(call.headers.get("If-Match", ""), tagged(call, db, vm)["etag"], required=True)
    if "labels" in call.body:
        vm.labels = call.body["labels"]
    if "protect" in call.body:
        vm.protect = call.body["protect"]
    vm.version += 1
    vm.updated_at = call.now
    db.flush()
    return tagged(call, db, vm)


def delete(call: Call, db: Session) -> Answer:
    """Remove it and its disks, also in the middle of being made; volumes stay if they are to be kept.

    Refused while it is protected.
    """
    vm = locked(call, db)
    etags.check(call.headers.get("If-Match", ""), tagged(call, db, vm)["etag"], required=False)
    if vm.protect:
        raise Conflict(f"vm {vm.name!r} is protected; PATCH protect to false first")
    if vm.state == VmState.DELETING and vm.job_id:
        return _accepted(call, db, vm, db.get_one(Job, vm.job_id))
    if call.query.get("keep_volumes"):
        db.execute(update(Volume).where(Volume.vm_id == vm.id).values(keep=True))
    return opened(call, db, vm, "vm.delete", supersede=True)


def start(call: Call, db: Session) -> Answer:
    """Power it on; one that is suspended goes on where it was."""
    vm = locked(call, db)
    if vm.state == VmState.SUSPENDED:
        need(db, vm, NEEDS["resume"], "resume", call.admin)
        return opened(call, db, vm, "vm.resume")
    return opened(call, db, vm, "vm.start")


def stop(call: Call, db: Session) -> Answer:
    """Ask the guest to power off; says so when it does not react."""
    return opened(call, db, locked(call, db), "vm.stop")


def force_stop(call: Call, db: Session) -> Answer:
    """Cut the power."""
    return opened(call, db, locked(call, db), "vm.force-stop")


def reboot(call: Call, db: Session) -> Answer:
    """Ask the guest to boot again."""
    return opened(call, db, locked(call, db), "vm.reboot")


def find(call: Call, db: Session) -> Vm:
    """The vm of the path; raises NotFound for another project's and for deleted ones."""
    mine = (Vm.id == call.path["vm_id"], Vm.project_id == call.project.id, Vm.deleted_at.is_(None))
    vm = db.scalars(select(Vm).where(*mine)).first()
    if vm is None:
        raise NotFound(f"there is no vm {call.path['vm_id']} in project {call.project.name!r}")
    return vm


def locked(call: Call, db: Session) -> Vm:
    """As find, with nobody else changing it meanwhile. The job's row is locked before the vm's, as steps do it."""
    job_id = find(call, db).job_id
    if job_id:
        db.execute(select(Job.id).where(Job.id == job_id).with_for_update())
    again = select(Vm).where(Vm.id == call.path["vm_id"]).with_for_update()
    vm = db.scalars(again.execution_options(populate_existing=True)).one()
    if vm.job_id not in (None, job_id):
        raise Conflict("another job began in this moment; look at the vm and try again")
    return vm


def opened(
    call: Call, db: Session, vm: Vm, kind: str, params: dict[str, Any] | None = None, *, supersede: bool = False
) -> Answer:
    """The 202 of a job that was opened for a vm, which is locked."""
    opening = Opening(
        kind,
        vm.project_id,
        params=params or {},
        requested_by=call.who.id,
        trace_id=call.trace_id,
        supersede=supersede,
    )
    job = open_job(db, opening, vm)
    db.flush()
    return _accepted(call, db, vm, job)


def _accepted(call: Call, db: Session, vm: Vm, job: Job) -> Answer:
    body = {"vm": tagged(call, db, vm), "job": tagged_job(call, db, job)}
    return Answer(body, 202, {"Location": f"/v1/jobs/{job.id}"})
