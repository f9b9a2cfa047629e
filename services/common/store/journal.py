# SPDX-License-Identifier: Apache-2.0
"""The job journal in SQL: claims by compare-and-swap, and each step's end as one transaction.

Written against the tables rather than the mapped classes: these statements are on every vm's way, twice a step.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.common.contracts.advance import step_of
from services.common.contracts.codec import dump, load
from services.common.contracts.events import JobEventKind
from services.common.contracts.flow import FLOWS
from services.common.contracts.journal import Changes, JobView, NewEvent, VmView
from services.common.contracts.states import JOB_DUE, JOB_FINAL, VM_MOVES, JobState, VmState, moved
from services.common.contracts.vm import VmSpec
from services.common.store import outbox
from services.common.store.appending import append_events, event_rows, write_events
from services.common.store.database import Database, retried
from services.common.store.durations import Durations
from services.common.store.hosts import Installation
from services.common.store.jobs import Job, JobEvent, JobStep
from services.common.store.tables import table_of
from services.common.store.together import Row, insert_together
from services.common.store.vms import Vm

__all__ = ["SqlJournal", "append_events", "view_of"]

# A worker's clock and the row's may differ by this much: ring early rather than wait for the sweeper.
EARLY_S = 0.02

JOBS, VMS, STEPS, EVENTS = table_of(Job), table_of(Vm), table_of(JobStep), table_of(JobEvent)
_VM = select(VMS.c.id, VMS.c.project_id, VMS.c.name, VMS.c.spec, VMS.c.state, VMS.c.fence, VMS.c.host_id).where(
    VMS.c.id == bindparam("vm")
)
_CLAIM = (
    update(JOBS)
    .where(
        JOBS.c.id == bindparam("job"),
        JOBS.c.queue == bindparam("of_queue"),
        JOBS.c.state.in_([str(s) for s in JOB_DUE]),
        JOBS.c.lease_until < bindparam("now"),
        JOBS.c.due_at <= bindparam("soon"),
    )
    .values(
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        fence=JOBS.c.fence + 1,
        state=case((JOBS.c.state == str(JobState.QUEUED), str(JobState.RUNNING)), else_=JOBS.c.state),
        started_at=case((JOBS.c.started_at.is_(None), bindparam("now")), else_=JOBS.c.started_at),
    )
    .returning(*JOBS.c)
)
_BEGIN = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"))
    .values(deadline_at=bindparam("deadline"), last_seq=JOBS.c.last_seq + 1)
    .returning(JOBS.c.last_seq)
)
_STEP_ENDED = (
    update(STEPS)
    .where(STEPS.c.job_id == bindparam("job"), STEPS.c.name == bindparam("step"))
    .values(state=bindparam("outcome"), finished_at=bindparam("now"))
)


def view_of(session: Session, job: Any, platform: str) -> JobView:
    """A job row, and its vm, as the engine sees them."""
    vm = session.execute(_VM, {"vm": job.vm_id}).one_or_none() if job.vm_id else None
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
        due_since=max(job.rung_at, job.due_at),
    )


def _vm_view(vm: Any, platform: str) -> VmView:
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
        mark = {"owner": owner, "until": now + lease_s, "now": now, "soon": now + EARLY_S}
        with self.database.write() as session:
            job = session.execute(_CLAIM, {"job": job_id, "of_queue": queue, **mark}).one_or_none()
            if job is None:
                return None
            view = view_of(session, job, self.platform(session))
            return view if job.deadline_at is not None else self._begin(session, view, now)

    def _begin(self, session: Session, view: JobView, now: float) -> JobView:
        step = step_of(view)
        os = view.vm.spec.os if view.vm else ""
        deadline = now + self.durations.deadline_s(session, step, os)
        expected = self.durations.expected_s(session, step.name, os)
        self._mark_begun(session, view, step.name, now)
        seq = session.execute(_BEGIN, {"job": view.id, "deadline": deadline}).scalar_one()
        data: dict[str, Any] = {"undo": True} if view.undo else {}
        if expected is not None:
            data["expected_s"] = round(expected, 3)
        key = (view.id, view.project, view.vm.id if view.vm else None)
        write_events(session, key, seq, [NewEvent(JobEventKind.STEP_STARTED, step.name, data=data)], str(view.state))
        return replace(view, deadline_at=deadline, last_seq=seq)

    def _mark_begun(self, session: Session, view: JobView, step: str, now: float) -> None:
        os = view.vm.spec.os if view.vm else ""
        dialect = sqlite if self.database.is_sqlite else postgresql
        again = {"state": "running", "begun_at": now, "finished_at": None}
        mark = dialect.insert(STEPS).values(job_id=view.id, name=step, os=os, **again)
        session.execute(mark.on_conflict_do_update(index_elements=["job_id", "name"], set_=again))

    def renew(self, leases: Sequence[tuple[str, int]], lease_s: float) -> set[str]:
        """Prolong leases that are still ours."""
        until = time.time() + lease_s
        held = set()
        with self.database.write() as session:
            for job_id, fence in leases:
                mine = (JOBS.c.id == job_id) & (JOBS.c.fence == fence) & (JOBS.c.lease_owner != "")
                row = session.execute(update(JOBS).where(mine).values(lease_until=until).returning(JOBS.c.id))
                if row.first():
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
        if changes.step_begun:
            step = FLOWS[job.kind].step(changes.step_begun)
            learned = self.durations.deadline_s(session, step, job.vm.spec.os if job.vm else "")
            changes = replace(changes, deadline_at=now + learned)
        row = session.execute(_advance(job, changes, now)).one_or_none()
        if row is None:
            return False
        last_seq, vm_before = row
        if changes.write:
            changes.write(session)
        key = (job.id, job.project, job.vm.id if job.vm else None)
        first = last_seq - len(changes.events) + 1
        told = event_rows(session, key, first, changes.events, str(changes.state))
        rows: list[Row] = [(EVENTS, row) for row in told]
        if changes.step_ended:
            ended = {"job": job.id, "step": changes.step_ended, "outcome": changes.step_outcome, "now": now}
            session.execute(_STEP_ENDED, ended)
        if changes.step_begun:
            self._mark_begun(session, job, changes.step_begun, now)
        if job.vm:
            _move_vm(session, job, changes, vm_before, now)
        command = None if changes.at_host else changes.command
        rows += [(outbox.OUTBOX, row) for row in outbox.rows(session, changes.bells, command)]
        if rows:
            insert_together(session, rows)
        return True


def _advance(job: JobView, changes: Changes, now: float) -> Any:
    values: dict[str, Any] = {
        "state": str(changes.state),
        "step": changes.step,
        "queue": FLOWS[job.kind].step(changes.step).queue,
        "attempt": changes.attempt,
        "due_at": changes.due_at or 0.0,
        "rung_at": now,
        "deadline_at": changes.deadline_at,
        "resend_at": changes.resend_at,
        "command": dump(changes.command) if changes.command else None,
        "lease_owner": "",
        "lease_until": 0.0,
        "last_seq": JOBS.c.last_seq + len(changes.events),
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
    unmoved = (JOBS.c.fence == job.fence) & (JOBS.c.state == str(job.state)) & (JOBS.c.step == job.step)
    change = update(JOBS).where(JOBS.c.id == job.id, unmoved).values(**values)
    return change.returning(JOBS.c.last_seq, JOBS.c.vm_before)


def _move_vm(session: Session, job: JobView, changes: Changes, vm_before: str, now: float) -> None:
    assert job.vm is not None
    target = VmState(vm_before) if changes.vm_back and vm_before else changes.vm_state
    final = changes.state in JOB_FINAL
    if target is None and not final:
        return
    values: dict[str, Any] = {"version": VMS.c.version + 1, "updated_at": now}
    if target is not None:
        values["state"] = str(moved(VM_MOVES, job.vm.state, target))
        if target == VmState.DELETED:
            values["deleted_at"] = now
    if final:
        values["job_id"] = None
    session.execute(update(VMS).where(VMS.c.id == job.vm.id).values(**values))
