# SPDX-License-Identifier: Apache-2.0
"""The job journal in SQL: claims by compare-and-swap, and each step's end as one transaction."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from services.common.contracts.advance import step_of
from services.common.contracts.codec import dump, load
from services.common.contracts.events import JobEventKind
from services.common.contracts.flow import FLOWS, UNDO_STEPS
from services.common.contracts.journal import Changes, JobView, NewEvent, VmView
from services.common.contracts.states import JOB_DUE, JOB_FINAL, VM_MOVES, JobState, VmState, moved
from services.common.contracts.vm import VmSpec
from services.common.store import outbox
from services.common.store.appending import append_events, write_events
from services.common.store.database import Database, retried
from services.common.store.durations import Durations
from services.common.store.hosts import Installation
from services.common.store.jobs import Job, JobStep
from services.common.store.vms import Vm

__all__ = ["SqlJournal", "append_events", "view_of"]

# A worker's clock and the row's may differ by this much: ring early rather than wait for the sweeper.
EARLY_S = 0.02


def view_of(session: Session, job: Job, platform: str) -> JobView:
    """A job row, and its vm, as the engine sees them."""
    vm = session.get(Vm, job.vm_id) if job.vm_id else None
    return JobView(
        id=job.id,
        kind=job.kind,
        project=job.project_id,
        state=JobState(job.state),
        step=job.step,
        attempt=job.attempt,
        fence=job.fence,
        vm=_vm_view(vm, platform) if vm else None,
        media=job.media_id or "",
        params=job.params,
        facts=job.facts,
        error=job.error,
        undo=tuple(job.undo),
        ends_as=JobState(job.ends_as),
        deadline_at=job.deadline_at,
        created_at=job.created_at,
        last_seq=job.last_seq,
    )


def _vm_view(vm: Vm, platform: str) -> VmView:
    return VmView(
        id=vm.id,
        project=vm.project_id,
        name=vm.name,
        spec=load(VmSpec, vm.spec),
        state=VmState(vm.state),
        fence=vm.fence,
        host=vm.host_id or "",
        platform=platform,
    )


class SqlJournal:
    """contracts.journal.Journal on a database."""

    def __init__(self, database: Database):
        self.database = database
        self.durations = Durations()
        self._platform = ""

    def platform(self, session: Session) -> str:
        """This installation's id."""
        if not self._platform:
            self._platform = session.scalars(select(Installation.id)).one()
        return self._platform

    def claim(self, job_id: str, queue: str, owner: str, lease_s: float) -> JobView | None:
        """Take the job if it is due and free; the first try of a step is told as started."""
        return retried(lambda: self._claim(job_id, queue, owner, lease_s))

    def _claim(self, job_id: str, queue: str, owner: str, lease_s: float) -> JobView | None:
        now = time.time()
        with self.database.write() as session:
            job = session.execute(_claim(job_id, queue, owner, now, lease_s)).scalar_one_or_none()
            if job is None:
                return None
            view = view_of(session, job, self.platform(session))
            if job.deadline_at is None:
                self._begin(session, job, view, now)
        return view

    def _begin(self, session: Session, job: Job, view: JobView, now: float) -> None:
        step = step_of(view)
        os = view.vm.spec.os if view.vm else ""
        job.deadline_at = now + self.durations.deadline_s(session, step, os)
        expected = self.durations.expected_s(session, step.name, os)
        mark = session.get(JobStep, (job.id, step.name))
        if mark is None:
            session.add(JobStep(job_id=job.id, name=step.name, state="running", os=os, begun_at=now))
        else:
            mark.state, mark.begun_at, mark.finished_at = "running", now, None
        session.flush()
        data = {"undo": True} if view.undo else {}
        told = {**data, "expected_s": round(expected, 3)} if expected is not None else data
        append_events(session, job.id, [NewEvent(JobEventKind.STEP_STARTED, step.name, data=told)])

    def renew(self, leases: Sequence[tuple[str, int]], lease_s: float) -> set[str]:
        """Prolong leases that are still ours."""
        until = time.time() + lease_s
        held = set()
        with self.database.write() as session:
            for job_id, fence in leases:
                row = session.execute(
                    update(Job)
                    .where(Job.id == job_id, Job.fence == fence, Job.lease_owner != "")
                    .values(lease_until=until)
                )
                if row.rowcount:  # type: ignore[attr-defined]
                    held.add(job_id)
        return held

    def apply(self, job: JobView, changes: Changes) -> bool:
        """One transaction: the job, its step, its vm, its events, its bells, and the step's own write."""

        def end() -> bool:
            with self.database.write() as session:
                return self.apply_in(session, job, changes)

        return bool(retried(end))

    def apply_in(self, session: Session, job: JobView, changes: Changes) -> bool:
        """As apply, inside the caller's transaction."""
        now = time.time()
        row = session.execute(_advance(job, changes, now)).one_or_none()
        if row is None:
            return False
        last_seq, vm_before = row
        if changes.write:
            changes.write(session)
        key = (job.id, job.project, job.vm.id if job.vm else None)
        write_events(session, key, last_seq - len(changes.events) + 1, changes.events, str(changes.state))
        if changes.step_ended:
            session.execute(
                update(JobStep)
                .where(JobStep.job_id == job.id, JobStep.name == changes.step_ended)
                .values(state=changes.step_outcome, finished_at=now)
            )
        if job.vm:
            _move_vm(session, job, changes, vm_before, now)
        outbox.put(session, changes.bells, changes.command)
        return True


def _claim(job_id: str, queue: str, owner: str, now: float, lease_s: float) -> Any:
    begun = case((Job.state == JobState.QUEUED, str(JobState.RUNNING)), else_=Job.state)
    return (
        update(Job)
        .where(
            Job.id == job_id,
            Job.queue == queue,
            Job.state.in_([str(s) for s in JOB_DUE]),
            Job.lease_until < now,
            Job.due_at <= now + EARLY_S,
        )
        .values(
            lease_owner=owner,
            lease_until=now + lease_s,
            fence=Job.fence + 1,
            state=begun,
            started_at=case((Job.started_at.is_(None), now), else_=Job.started_at),
        )
        .returning(Job)
    )


def _advance(job: JobView, changes: Changes, now: float) -> Any:
    step = UNDO_STEPS[changes.step] if _walking_back(job, changes) else FLOWS[job.kind].step(changes.step)
    values: dict[str, Any] = {
        "state": str(changes.state),
        "step": changes.step,
        "queue": step.queue,
        "attempt": changes.attempt,
        "due_at": changes.due_at or 0.0,
        "rung_at": now,
        "deadline_at": changes.deadline_at,
        "resend_at": changes.resend_at,
        "command": dump(changes.command) if changes.command else None,
        "lease_owner": "",
        "lease_until": 0.0,
        "last_seq": Job.last_seq + len(changes.events),
    }
    optional: Mapping[str, Any] = {
        "facts": dict(changes.facts) if changes.facts is not None else None,
        "error": changes.error,
        "undo": list(changes.undo) if changes.undo is not None else None,
        "ends_as": str(changes.ends_as) if changes.ends_as else None,
    }
    values.update({name: value for name, value in optional.items() if value is not None})
    if changes.state in JOB_FINAL:
        values["finished_at"] = now
    return (
        update(Job)
        .where(Job.id == job.id, Job.fence == job.fence, Job.state == str(job.state), Job.step == job.step)
        .values(**values)
        .returning(Job.last_seq, Job.vm_before)
    )


def _walking_back(job: JobView, changes: Changes) -> bool:
    return bool(job.undo if changes.undo is None else changes.undo)


def _move_vm(session: Session, job: JobView, changes: Changes, vm_before: str, now: float) -> None:
    assert job.vm is not None
    target = VmState(vm_before) if changes.vm_back and vm_before else changes.vm_state
    final = changes.state in JOB_FINAL
    if target is None and not final:
        return
    values: dict[str, Any] = {"version": Vm.version + 1, "updated_at": now}
    if target is not None:
        values["state"] = str(moved(VM_MOVES, job.vm.state, target))
        if target == VmState.DELETED:
            values["deleted_at"] = now
    if final:
        values["job_id"] = None
    session.execute(update(Vm).where(Vm.id == job.vm.id).values(**values))
