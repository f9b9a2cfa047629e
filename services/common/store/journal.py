# SPDX-License-Identifier: Apache-2.0
"""The job journal in SQL: claims by compare-and-swap, and each step's end as one transaction."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.advance import step_of
from services.common.contracts.events import JobEventKind
from services.common.contracts.flow import FLOWS
from services.common.contracts.journal import Changes, JobView, NewEvent
from services.common.contracts.states import JOB_FINAL
from services.common.store import moves, outbox
from services.common.store.appending import append_events, event_rows
from services.common.store.database import Database, retried
from services.common.store.durations import Durations
from services.common.store.ended import Ended, ends
from services.common.store.hosts import Installation
from services.common.store.jobs import JobEvent, JobStep
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together
from services.common.store.views import view_of

__all__ = ["SqlJournal", "append_events", "view_of"]

# A worker's clock and the row's may differ by this much: ring early rather than wait for the sweeper.
EARLY_S = 0.02
STEPS, EVENTS = table_of(JobStep), table_of(JobEvent)


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
        mark: dict[str, Any] = {"job": job_id, "of_queue": queue, "owner": owner}
        mark |= {"until": now + lease_s, "now": now, "soon": now + EARLY_S}
        with self.database.write() as session:
            view = moves.claimed(session, self.platform(session), mark)
            if view is None or view.deadline_at is not None:
                return view
            return self._begin(session, view, now)

    def _begin(self, session: Session, view: JobView, now: float) -> JobView:
        fields, data = self.begun(session, view, now)
        begun = replace(view, **fields)
        moves.begin(session, view, begun.deadline_at or now)
        started = NewEvent(JobEventKind.STEP_STARTED, view.step, data=data)
        told = event_rows(session, key_of(view), begun.last_seq, [started], str(view.state))
        write_together(session, [begun_row(view, view.step, now), *(Row(EVENTS, row) for row in told)])
        return begun

    def begun(self, session: Session, view: JobView, now: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """What changes of the job as its step begins: its deadline and the event's seq; and what that event says."""
        step = step_of(view)
        os = view.vm.spec.os if view.vm else ""
        deadline = now + self.durations.deadline_s(session, step, os)
        expected = self.durations.expected_s(session, step.name, os)
        data: dict[str, Any] = {"undo": True} if view.undo else {}
        if expected is not None:
            data["expected_s"] = round(expected, 3)
        return {"deadline_at": deadline, "last_seq": view.last_seq + 1}, data

    def renew(self, leases: Sequence[tuple[str, int]], lease_s: float) -> set[str]:
        """Prolong leases that are still ours."""
        until, jobs = time.time() + lease_s, moves.JOBS
        held = set()
        with self.database.write() as session:
            for job_id, fence in leases:
                mine = (jobs.c.id == job_id) & (jobs.c.fence == fence) & (jobs.c.lease_owner != "")
                row = session.execute(update(jobs).where(mine).values(lease_until=until).returning(jobs.c.id))
                if row.first():
                    held.add(job_id)
        return held

    def hand_back(self, leases: Sequence[tuple[str, int]]) -> None:
        """The sweeper rings for them; the fence stays, and goes up with the next claim."""
        jobs = moves.JOBS
        with self.database.write() as session:
            for job_id, fence in leases:
                mine = (jobs.c.id == job_id) & (jobs.c.fence == fence) & (jobs.c.lease_owner != "")
                session.execute(update(jobs).where(mine).values(lease_owner="", lease_until=0.0, rung_at=0.0))

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
        advanced = moves.advance_job(session, job, changes, now)
        if advanced is None:
            return False
        last_seq, vm_before = advanced
        if changes.write:
            changes.write(session)
        moves.move_vm(session, job, changes, vm_before, now)
        if changes.state in JOB_FINAL:
            vm = job.vm.id if job.vm else ""
            ends(session, Ended(job.id, vm, job.kind, str(changes.state), job.created_at))
        first = last_seq - len(changes.events) + 1
        told = event_rows(session, key_of(job), first, changes.events, str(changes.state))
        command = None if changes.at_host else changes.command
        left = outbox.rows(session, changes.bells, command)
        rows = [Row(EVENTS, row) for row in told] + [Row(outbox.OUTBOX, row) for row in left]
        write_together(session, rows + step_rows(job, changes, now))
        return True


def key_of(job: JobView) -> tuple[str, str, str | None]:
    """What an event is appended by: job, project, vm."""
    return job.id, job.project, job.vm.id if job.vm else None


def step_rows(job: JobView, changes: Changes, now: float) -> list[Row]:
    """The steps that end and begin with these changes."""
    rows = []
    if changes.step_ended:
        ended = {"job_id": job.id, "name": changes.step_ended, "state": changes.step_outcome, "finished_at": now}
        rows.append(Row(STEPS, ended, How.UPDATE))
    if changes.step_begun:
        rows.append(begun_row(job, changes.step_begun, now))
    return rows


def begun_row(job: JobView, step: str, now: float) -> Row:
    """A step that begins."""
    os = job.vm.spec.os if job.vm else ""
    values = {"job_id": job.id, "name": step, "os": os, "state": "running", "begun_at": now, "finished_at": None}
    return Row(STEPS, values, How.UPSERT)
