# SPDX-License-Identifier: Apache-2.0
"""The journal for many jobs at once: leases taken in one transaction, and steps ended in one.

Each job keeps its own lease and fence: who lost a job is left out, and takes nobody else down with it.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.events import JobEventKind
from services.common.contracts.journal import Changes, JobView, NewEvent
from services.common.contracts.states import JOB_FINAL
from services.common.store import moves, outbox
from services.common.store.appending import event_rows
from services.common.store.database import retried
from services.common.store.journal import EARLY_S, EVENTS, SqlJournal, begun_row, key_of, step_rows
from services.common.store.together import How, Row, write_together


class End(NamedTuple):
    """A job and what ends its step."""

    job: JobView
    changes: Changes


def fits(changes: Changes) -> bool:
    """Whether `end_together` can write these: a job that goes on, and a step that writes nothing by itself."""
    going_on = changes.state not in JOB_FINAL and not changes.step_begun and not changes.vm_back
    return going_on and changes.write is None and changes.vm_state is None and changes.command is None


class GroupJournal:
    """A SqlJournal for groups."""

    def __init__(self, journal: SqlJournal):
        self.journal = journal
        self.database = journal.database

    def claim(self, jobs: Sequence[str], queue: str, owner: str, lease_s: float) -> list[JobView]:
        """Take those of the jobs that are due and free; the first try of a step is told as started."""
        return retried(lambda: self._claim(sorted(set(jobs)), queue, owner, lease_s))

    def _claim(self, jobs: Sequence[str], queue: str, owner: str, lease_s: float) -> list[JobView]:
        now = time.time()
        mark = {"of_queue": queue, "owner": owner, "until": now + lease_s, "now": now, "soon": now + EARLY_S}
        with self.database.write() as session:
            views = moves.claimed_together(session, self.journal.platform(session), jobs, mark)
            begun = {v.id: self._begun(session, v, now) for v in views if v.deadline_at is None}
            write_together(session, [row for _, told in begun.values() for row in told])
        return [begun[view.id][0] if view.id in begun else view for view in views]

    def _begun(self, session: Session, view: JobView, now: float) -> tuple[JobView, list[Row]]:
        begun, data = self.journal.begun(session, view, now)
        started = NewEvent(JobEventKind.STEP_STARTED, view.step, data=data)
        told = event_rows(session, key_of(view), begun.last_seq, [started], str(view.state))
        job = {"id": view.id, "deadline_at": begun.deadline_at, "last_seq": begun.last_seq}
        return begun, [
            Row(moves.JOBS, job, How.UPDATE),
            begun_row(view, view.step, now),
            *(Row(EVENTS, row) for row in told),
        ]

    def in_hand(self, session: Session, jobs: Sequence[JobView]) -> dict[str, int]:
        """Lock the jobs that are still as they were taken, until this transaction ends: id -> last seq."""
        table = moves.JOBS
        columns = (table.c.id, table.c.fence, table.c.state, table.c.step, table.c.last_seq)
        query = select(*columns).where(table.c.id.in_([job.id for job in jobs])).order_by(table.c.id)
        rows = {row.id: row for row in session.execute(query.with_for_update())}
        unmoved = ((job, rows[job.id]) for job in jobs if job.id in rows)
        return {job.id: row.last_seq for job, row in unmoved if (row.fence, row.state, row.step) == _taken(job)}

    def end(self, session: Session, ends: Sequence[End], seqs: Mapping[str, int], also: Sequence[Row] = ()) -> None:
        """Write the ends of steps, for which `fits` holds, of jobs that `in_hand` locked; `also` goes with them."""
        now, rows = time.time(), list(also)
        for job, changes in ends:
            if not fits(changes):
                raise ValueError(f"job {job.id}: these changes can't be written in a group")
            last_seq = seqs[job.id] + len(changes.events)
            values: dict[str, Any] = {"id": job.id, **moves.values_after(job, changes, now), "last_seq": last_seq}
            rows.append(Row(moves.JOBS, values, How.UPDATE))
            told = event_rows(session, key_of(job), seqs[job.id] + 1, changes.events, str(changes.state))
            rows += [Row(EVENTS, row) for row in told]
            rows += [Row(outbox.OUTBOX, row) for row in outbox.rows(session, changes.bells)]
            rows += step_rows(job, changes, now)
        write_together(session, rows)


def _taken(job: JobView) -> tuple[int, str, str]:
    return job.fence, str(job.state), job.step
