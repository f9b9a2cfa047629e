# SPDX-License-Identifier: Apache-2.0
"""Appending to a job's journal: seq numbers without gaps, and what readers are told after the commit."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from services.common.contracts.errors import LostLease
from services.common.contracts.journal import NewEvent
from services.common.store.database import EVENTS
from services.common.store.jobs import Job, JobEvent
from services.common.store.tables import table_of
from services.common.store.turns import numbered

EVENT_ROWS = insert(table_of(JobEvent))
JobKey = tuple[str, str, str | None]  # job, project, vm


def event_message(row: dict[str, Any], state: str) -> dict[str, Any]:
    """An event as readers get it, from the table and from the feed alike."""
    return {
        "job": row["job_id"],
        "seq": row["seq"],
        "project": row["project_id"],
        "vm": row["vm_id"],
        "kind": row["kind"],
        "step": row["step"],
        "text": row["text"],
        "at": row["at"],
        "state": state,
        "data": row["data"],
        **({"vm_state": row["data"]["vm_state"]} if "vm_state" in row["data"] else {}),
    }


def event_rows(
    session: Session, key: JobKey, first_seq: int, events: Sequence[NewEvent], state: str
) -> list[dict[str, Any]]:
    """Rows of events to be inserted in this transaction; they are told to readers once it is committed."""
    job, project, vm = key
    now, turn = time.time(), numbered(session)
    rows = [
        {
            "job_id": job,
            "seq": first_seq + n,
            "project_id": project,
            "vm_id": vm,
            "kind": str(event.kind),
            "step": event.step,
            "text": event.text,
            "data": event.data,
            "at": now,
            **turn,
        }
        for n, event in enumerate(events)
    ]
    session.info.setdefault(EVENTS, []).extend(event_message(row, state) for row in rows)
    return rows


def write_events(session: Session, key: JobKey, first_seq: int, events: Sequence[NewEvent], state: str) -> None:
    """Insert events whose seq numbers the caller has reserved on the job's row in this transaction."""
    if events:
        session.execute(EVENT_ROWS, event_rows(session, key, first_seq, events, state))


def append_events(session: Session, job_id: str, events: Sequence[NewEvent]) -> None:
    """Reserve seq numbers on the job's row and append; raises LostLease where the job is gone."""
    statement = (
        update(Job)
        .where(Job.id == job_id)
        .values(last_seq=Job.last_seq + len(events))
        .returning(Job.last_seq, Job.project_id, Job.vm_id, Job.state)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        raise LostLease(f"job {job_id} is gone")
    write_events(session, (job_id, row[1], row[2]), row[0] - len(events) + 1, events, row[3])
