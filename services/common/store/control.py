# SPDX-License-Identifier: Apache-2.0
"""What people do to a job: cancel, retry, roll back. IllegalMove says in a sentence where that makes no sense."""

import time
from collections.abc import Sequence

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.codec import load
from services.common.contracts.data_disks import data_disks
from services.common.contracts.errors import Conflict, IllegalMove, StillRunning
from services.common.contracts.flow import MAKING
from services.common.contracts.journal import Changes
from services.common.contracts.network import Nic
from services.common.contracts.states import JobState
from services.common.contracts.vm import VmSpec
from services.common.store.catalogue import AddressLease
from services.common.store.cloning import refuse_for_clones
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, view_of
from services.common.store.vms import Vm
from services.common.store.volumes import take_up_again


def cancel(session: Session, job: Job, journal: SqlJournal) -> None:
    """Walk the job back; it ends as cancelled."""
    view = view_of(session, job, journal.platform(session))
    _apply(session, job, advance.cancelled(view, JobState.CANCELLED, "Cancelled"), journal)


def rollback(session: Session, job: Job, journal: SqlJournal) -> None:
    """Walk a stalled (or any unfinished) job back; it ends as failed."""
    view = view_of(session, job, journal.platform(session))
    _apply(session, job, advance.cancelled(view, JobState.FAILED, "Rolled back"), journal)


def retry(session: Session, job: Job, journal: SqlJournal) -> None:
    """Resume a stalled job where it stands, or begin a failed one anew."""
    view = view_of(session, job, journal.platform(session))
    if view.state == JobState.STALLED:
        _apply(session, job, advance.resumed(view), journal)
        return
    if view.state != JobState.FAILED:
        raise IllegalMove(f"only a failed or stalled job can be retried; this one is {view.state}")
    _take_vm_again(session, job)
    view = view_of(session, job, journal.platform(session))
    _apply(session, job, advance.restarted(view), journal)
    session.execute(update(Job).where(Job.id == job.id).values(started_at=None, finished_at=None, ends_as="failed"))


def _take_vm_again(session: Session, job: Job) -> None:
    vm = session.get(Vm, job.vm_id) if job.vm_id else None
    if vm is None:
        return
    if vm.job_id and vm.job_id != job.id:
        raise Conflict(f"vm {vm.name!r} is busy with job {vm.job_id}")
    if vm.deleted_at is not None:
        raise IllegalMove(f"vm {vm.name!r} is deleted")
    if job.kind not in MAKING:
        refuse_for_clones(session, vm, job.kind.removeprefix("vm."))
    vm.job_id = job.id
    vm.observed = None  # what an earlier try saw must not end this one's wait
    session.flush()
    if job.kind not in MAKING:
        return
    take_up_again(session, vm.id, data_disks(job.params), time.time())
    try:
        with session.begin_nested():
            for row in address_rows(vm.id, load(VmSpec, vm.spec)):
                session.execute(insert(AddressLease).values(**row))
    except IntegrityError as error:
        raise Conflict("an address of this vm was given to another one meanwhile; create it anew") from error


def address_rows(vm_id: str, spec: VmSpec) -> list[dict[str, object]]:
    """The address leases a vm's static addresses need."""
    links = spec.network.on_networks()
    return [row for _, nic, link in links for row in lease_rows(vm_id, nic, link.addresses)]


def lease_rows(vm_id: str, nic: Nic, addresses: Sequence[str]) -> list[dict[str, object]]:
    """The leases of these addresses on a card's network."""
    now = time.time()
    return [
        {
            "network_id": nic.network,
            "address": address.split("/")[0],
            "vm_id": vm_id,
            "mac": nic.mac,
            "created_at": now,
        }
        for address in addresses
        if nic.network
    ]


def _apply(session: Session, job: Job, changes: Changes, journal: SqlJournal) -> None:
    # Always the job's row before the vm's, as every step's end does it: the other way round they would deadlock.
    session.execute(update(Job).where(Job.id == job.id).values(fence=Job.fence))
    # A higher fence on the vm makes hosts refuse what is still under way for the old one; a higher fence on the
    # job makes the worker that holds it drop its result.
    if job.vm_id:
        session.execute(update(Vm).where(Vm.id == job.vm_id).values(fence=Vm.fence + 1))
        session.expire_all()
    view = view_of(session, job, journal.platform(session))
    if not journal.apply_in(session, view, changes):
        raise StillRunning("the job moved on in this moment; look at it and try again")
    session.execute(update(Job).where(Job.id == job.id).values(fence=Job.fence + 1))
    session.expire_all()
