# SPDX-License-Identifier: Apache-2.0
"""How fast things get on: what waits for the broker, and which jobs wait for a worker who doesn't come."""

import time

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from services.common.contracts.flow import QUEUES
from services.common.contracts.states import JOB_DUE
from services.common.store import outbox
from services.common.store.jobs import Job, JobEvent
from services.conductor.metrics import OUTBOX_OLDEST, OVERDUE

# The sweeper rings again after two seconds: who waits for much longer is not served.
OVERDUE_AFTER_S = 10.0


def refresh(session: Session, now: float | None = None) -> None:
    """Set the gauges; a queue where nobody waits is told as 0."""
    now = time.time() if now is None else now
    begun = outbox.oldest(session)
    OUTBOX_OLDEST.set(max(0.0, now - begun) if begun is not None else 0.0)
    latest = and_(JobEvent.job_id == Job.id, JobEvent.seq == Job.last_seq)
    due = and_(Job.state.in_([str(s) for s in JOB_DUE]), Job.lease_until < now, Job.due_at < now - OVERDUE_AFTER_S)
    # Each ring is a new `rung_at`: how long nothing was done is the age of the job's last event.
    late = select(Job.queue, func.count()).join(JobEvent, latest).where(due, JobEvent.at < now - OVERDUE_AFTER_S)
    waiting = dict(session.execute(late.group_by(Job.queue)).all())
    for queue in QUEUES:
        OVERDUE.labels(queue).set(waiting.get(queue, 0))
