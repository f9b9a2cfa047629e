# SPDX-License-Identifier: Apache-2.0
"""Opening a job: its row, its first event and its first bell, in the transaction that writes the intent."""

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.advance import bell
from services.common.contracts.drift import How
from services.common.contracts.errors import Conflict, IllegalMove
from services.common.contracts.events import JobEventKind
from services.common.contracts.flow import FLOWS, MAKING, Flow
from services.common.contracts.ids import new_id
from services.common.contracts.journal import NewEvent
from services.common.contracts.states import STEADY_VM, VM_MOVES, JobState, VmState, may_move
from services.common.store import drifts, outbox
from services.common.store.appending import append_events, event_rows
from services.common.store.cloning import refuse_for_clones
from services.common.store.ended import Ended, ends
from services.common.store.jobs import Job, JobEvent, Outbox
from services.common.store.tables import table_of, values_of
from services.common.store.together import Row, write_together
from services.common.store.vms import Vm


@dataclass(frozen=True)
class Opening:
    """Who asks for what. `supersede` ends the vm's active job first (a delete during a create)."""

    kind: str
    project_id: str
    media_id: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    requested_by: str = ""
    trace_id: str = ""
    supersede: bool = False
    repairs: bool = False  # a drift, which ends when the vm is again what it was asked to be


def open_job(session: Session, opening: Opening, vm: Vm | None = None) -> Job:
    """Write the job; `vm` must be in the session (flushed). Raises Conflict where the vm has an active job."""
    job, rows = opened(session, opening, vm)
    write_together(session, rows)
    return job


def opened(session: Session, opening: Opening, vm: Vm | None = None) -> tuple[Job, list[Row]]:
    """As open_job, but the rows are left to the caller to insert, together with its own."""
    now = time.time()
    flow = FLOWS[opening.kind]
    before = vm.state if vm else ""
    if vm is not None:
        _take_vm(session, vm, opening, flow, now)
    first = flow.steps[0]
    job = Job(
        id=new_id(),
        project_id=opening.project_id,
        vm_id=vm.id if vm else None,
        media_id=opening.media_id,
        kind=opening.kind,
        state=str(JobState.QUEUED),
        step=first.name,
        queue=first.queue,
        vm_fence=vm.fence if vm else 0,
        rung_at=now,
        last_seq=1,
        params=opening.params,
        facts={},
        undo=[],
        vm_before=before,
        requested_by=opening.requested_by,
        trace_id=opening.trace_id,
        created_at=now,
        # Defaults are spelt out: the row is answered to the user without being read back.
        attempt=0,
        fence=0,
        lease_owner="",
        lease_until=0.0,
        due_at=0.0,
        deadline_at=None,
        resend_at=None,
        command=None,
        error=None,
        ends_as=str(JobState.FAILED),
        started_at=None,
        finished_at=None,
    )
    if vm is not None:
        vm.job_id = job.id
        if flow.during is not None and not opening.repairs:
            drifts.settle(session, vm, How.TAKEN_UP, opening.requested_by, job.id)
    key = (job.id, job.project_id, job.vm_id)
    events = event_rows(session, key, 1, [NewEvent(JobEventKind.QUEUED)], job.state)
    bells = outbox.rows(session, [bell(job.id, first)])
    return job, [
        Row(table_of(Job), values_of(job)),
        *(Row(table_of(JobEvent), row) for row in events),
        *(Row(table_of(Outbox), row) for row in bells),
    ]


def _take_vm(session: Session, vm: Vm, opening: Opening, flow: Flow, now: float) -> None:
    if vm.job_id:
        if not opening.supersede:
            raise Conflict(f"vm {vm.name!r} is busy with job {vm.job_id}; wait for it, or cancel it")
        _end_superseded(session, vm.job_id, opening.kind, now)
    if opening.kind not in MAKING:
        refuse_for_clones(session, vm, opening.kind.removeprefix("vm."))
    if flow.during is not None:
        if not may_move(VM_MOVES, VmState(vm.state), flow.during):
            raise _not_from_there(vm, opening)
        vm.state = str(flow.during)
    elif vm.state not in STEADY_VM:
        raise _not_from_there(vm, opening)
    vm.fence += 1
    vm.version += 1
    vm.updated_at = now


def _not_from_there(vm: Vm, opening: Opening) -> IllegalMove:
    verb = opening.kind.removeprefix("vm.")
    return IllegalMove(f"vm {vm.name!r} is {vm.state}; {verb} is not possible from there")


def _end_superseded(session: Session, job_id: str, kind: str, now: float) -> None:
    with session.no_autoflush:  # the job's row is locked before the vm's, as every step's end does it
        old = session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one()
    if old.kind == kind:
        raise Conflict(f"job {job_id} does that already")
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(
            state=str(JobState.CANCELLED),
            fence=Job.fence + 1,
            lease_owner="",
            lease_until=0.0,
            finished_at=now,
            error={"code": "superseded", "title": "Superseded", "detail": f"ended by a {kind} job"},
        )
    )
    append_events(session, job_id, [NewEvent(JobEventKind.CANCELLED, text=f"superseded by {kind}")])
    ends(session, Ended(job_id, old.vm_id or "", old.kind, str(JobState.CANCELLED), old.created_at))
