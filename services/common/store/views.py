# SPDX-License-Identifier: Apache-2.0
"""Rows as the engine sees them: a job with its vm, frozen."""

from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from services.common.contracts.codec import load
from services.common.contracts.journal import JobView, VmView
from services.common.contracts.states import JobState, VmState
from services.common.contracts.vm import VmSpec
from services.common.store.tables import table_of
from services.common.store.vms import Vm

VMS = table_of(Vm)
# Labelled, so that a job and its vm fit into one row.
VM_COLUMNS = [
    column.label(f"of_vm_{column.key}")
    for column in (VMS.c.id, VMS.c.project_id, VMS.c.name, VMS.c.spec, VMS.c.state, VMS.c.fence, VMS.c.host_id)
]
_VM: Select[Any] = select(*VM_COLUMNS).where(VMS.c.id == bindparam("vm"))


def view_of(session: Session, job: Any, platform: str) -> JobView:
    """A job row, and its vm, which is read."""
    return joined_view(job, session.execute(_VM, {"vm": job.vm_id}).one_or_none() if job.vm_id else None, platform)


def joined_view(job: Any, vm: Any, platform: str) -> JobView:
    """A job row and a row of VM_COLUMNS (None: the job has no vm)."""
    return JobView(
        id=job.id,
        kind=job.kind,
        project=job.project_id,
        state=JobState(job.state),
        step=job.step,
        attempt=job.attempt,
        fence=job.fence,
        vm=_vm_view(vm, platform) if vm is not None else None,
        media=job.media_id or "",
        params=job.params,
        facts=job.facts,
        error=job.error,
        undo=tuple(job.undo),
        ends_as=JobState(job.ends_as),
        deadline_at=job.deadline_at,
        created_at=job.created_at,
        last_seq=job.last_seq,
        due_since=max(job.rung_at, job.due_at),
    )


def _vm_view(vm: Any, platform: str) -> VmView:
    return VmView(
        id=vm.of_vm_id,
        project=vm.of_vm_project_id,
        name=vm.of_vm_name,
        spec=load(VmSpec, vm.of_vm_spec),
        state=VmState(vm.of_vm_state),
        fence=vm.of_vm_fence,
        host=vm.of_vm_host_id or "",
        platform=platform,
    )
