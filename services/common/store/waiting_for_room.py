# SPDX-License-Identifier: Apache-2.0
"""Vms that wait for room are looked at again as soon as a host has some, not only when their pause is over."""

import time

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.flow import FLOWS
from services.common.contracts.states import JOB_DUE
from services.common.store import outbox
from services.common.store.jobs import Job

PLACE = "place"
MOST = 64  # that one change rings for, the longest waiting first; the others' pauses end by themselves


def ring_for_room(session: Session) -> int:
    """Ring for jobs that were put off while they looked for a host; how many. They are due at once.

    Jobs in somebody's hands are left out, and so are locked rows: who holds a host and waits for a job would wait for
    a scheduler that holds the job and wants the host.
    """
    now = time.time()
    waiting = and_(Job.step == PLACE, Job.state.in_([str(s) for s in JOB_DUE]), Job.due_at > now, Job.lease_until < now)
    oldest = select(Job.id, Job.kind).where(waiting).order_by(Job.id).limit(MOST).with_for_update(skip_locked=True)
    jobs = session.execute(oldest).all()
    if jobs:
        change = update(Job).where(Job.id.in_([job.id for job in jobs]), waiting).values(due_at=now, rung_at=now)
        session.execute(change.execution_options(synchronize_session=False))
        outbox.put(session, [advance.bell(job.id, FLOWS[job.kind].step(PLACE)) for job in jobs])
    return len(jobs)
