# SPDX-License-Identifier: Apache-2.0
"""Jobs: look at them, and cancel, retry or roll them back."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.jobs import job_views, tagged
from services.common.contracts.errors import NotFound
from services.common.contracts.states import JOB_ACTIVE
from services.common.store import control
from services.common.store.journal import SqlJournal
from services.common.store.models import Job

ORDER = Order(Job.id, {"created_at": Job.id, "state": Job.state, "kind": Job.kind})


def listing(call: Call, db: Session) -> dict[str, Any]:
    """The project's jobs."""
    query = call.query
    statement = select(Job).where(Job.project_id == call.project.id)
    for name, column in (("state", Job.state), ("kind", Job.kind), ("vm", Job.vm_id)):
        if query.get(name):
            statement = statement.where(column == query[name])
    if query.get("active") is not None:
        unfinished = Job.state.in_([str(s) for s in JOB_ACTIVE])
        statement = statement.where(unfinished if query["active"] else ~unfinished)
    return listed(db, call, statement, ORDER, lambda rows: job_views(call, db, rows))


def get(call: Call, db: Session) -> dict[str, Any]:
    """One job with its steps."""
    return chosen(tagged(call, db, find(call, db)), call.query.get("fields"))


def find(call: Call, db: Session) -> Job:
    """The job of the path; raises NotFound for another project's."""
    mine = (Job.id == call.path["job_id"], Job.project_id == call.project.id)
    job = db.scalars(select(Job).where(*mine)).first()
    if job is None:
        raise NotFound(f"there is no job {call.path['job_id']} in project {call.project.name!r}")
    return job


def cancel(call: Call, db: Session) -> Answer:
    """Walk it back; it ends as cancelled."""
    return _controlled(call, db, control.cancel)


def retry(call: Call, db: Session) -> Answer:
    """Take a stalled job up again, or begin a failed one anew."""
    return _controlled(call, db, control.retry)


def rollback(call: Call, db: Session) -> Answer:
    """Walk it back; it ends as failed."""
    return _controlled(call, db, control.rollback)


def _controlled(call: Call, db: Session, act: Callable[[Session, Job, SqlJournal], None]) -> Answer:
    job = find(call, db)
    act(db, job, call.parts.journal)
    db.expire_all()
    return Answer({"job": tagged(call, db, find(call, db))}, 202, {"Location": f"/v1/jobs/{job.id}"})
