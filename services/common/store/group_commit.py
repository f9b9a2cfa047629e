# SPDX-License-Identifier: Apache-2.0
"""The journal for many jobs at once: steps begun, done and ended in one transaction, without a lease.

The jobs are locked for as long as it takes. Whoever dies on the way leaves them as they were, for the next to take.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from services.common.contracts.events import JobEventKind
from services.common.contracts.journal import Changes, JobView, NewEvent
from services.common.contracts.states import JOB_FINAL, JobState
from services.common.store import moves, outbox
from services.common.store.appending import event_rows
from services.common.store.journal import EARLY_S, EVENTS, SqlJournal, begun_row, key_of, step_rows
from services.common.store.together import How, Row, write_together
from services.common.store.views import joined_view


class Locked(NamedTuple):
    """A job as a claim would have given it, when it was first begun, and what is to be told of that (first try)."""

    job: JobView
    started_at: float
    told: tuple[NewEvent, ...]


class End(NamedTuple):
    """A job and what ends its step."""

    locked: Locked
    changes: Changes


def fits(changes: Changes) -> bool:
    """Whether `GroupJournal.end` can write these: a job that goes on, and a step that writes nothing by itself."""
    going_on = changes.state not in JOB_FINAL and not changes.step_begun and not changes.vm_back
    return going_on and changes.write is None and changes.vm_state is None and changes.command is None


class GroupJournal:
    """A SqlJournal for groups."""

    def __init__(self, journal: SqlJournal):
        self.journal = journal
        self.database = journal.database

    def lock(self, session: Session, jobs: Collection[str], queue: str) -> list[Locked]:
        """Those of the jobs that are due and free, locked until the session's transaction ends."""
        now, platform = time.time(), self.journal.platform(session)
        rows = moves.locked_together(session, set(jobs), queue, now + EARLY_S)
        return [self._begun(session, row, platform, now) for row in rows]

    def _begun(self, session: Session, row: Any, platform: str, now: float) -> Locked:
        view = joined_view(row, row if row.of_vm_id else None, platform)
        state = JobState.RUNNING if view.state == JobState.QUEUED else view.state
        fields: dict[str, Any] = {"fence": view.fence + 1, "state": state}
        started = row.started_at or now
        if view.deadline_at is not None:
            return Locked(replace(view, **fields), started, ())
        begun, data = self.journal.begun(session, view, now)
        told = NewEvent(JobEventKind.STEP_STARTED, view.step, data=data)
        return Locked(replace(view, **fields, **begun), started, (told,))

    def end(self, session: Session, ends: Sequence[End], also: Sequence[Row] = ()) -> None:
        """Write the steps of jobs that `lock` locked, whose changes `fits` admits; `also` goes with them."""
        now, rows = time.time(), list(also)
        for (job, started_at, begun), changes in ends:
            if not fits(changes):
                raise ValueError(f"job {job.id}: these changes can't be written in a group")
            values: dict[str, Any] = {"id": job.id, **moves.values_after(job, changes, now), "fence": job.fence}
            values |= {"started_at": started_at, "last_seq": job.last_seq + len(changes.events)}
            rows.append(Row(moves.JOBS, values, How.UPDATE))
            told = event_rows(session, key_of(job), job.last_seq + 1 - len(begun), begun, str(job.state))
            told += event_rows(session, key_of(job), job.last_seq + 1, changes.events, str(changes.state))
            rows += [Row(EVENTS, row) for row in told]
            rows += [Row(outbox.OUTBOX, row) for row in outbox.rows(session, changes.bells)]
            rows += _steps(job, changes, now) if begun else step_rows(job, changes, now)
        write_together(session, rows)


def _steps(job: JobView, changes: Changes, now: float) -> list[Row]:
    """The step that begins, and where it is over already, ends, as one row."""
    begun = begun_row(job, job.step, now)
    ended = {name: value for row in step_rows(job, changes, now) for name, value in row.values.items()}
    return [begun._replace(values={**begun.values, **ended})]
