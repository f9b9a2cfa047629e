# SPDX-License-Identifier: Apache-2.0
"""Jobs that end: how long they took is told once their end is committed, by whichever process ended them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Histogram
from sqlalchemy.orm import Session

SECONDS = Histogram(
    "innkeeper_job_seconds",
    "Time from a job's request to its end",
    ["kind", "outcome"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 3600),
)
ENDED = "ended"


@dataclass(frozen=True)
class Ended:
    """A job that has come to its end; `vm` is "" where it had none."""

    job: str
    vm: str
    kind: str
    outcome: str
    created_at: float


def ends(session: Session, job: Ended) -> None:
    """The job ends with this transaction."""
    session.info.setdefault(ENDED, []).append(job)


def count_ended(session: Session) -> Sequence[Ended]:
    """The transaction is committed: the jobs that ended in it, which are counted."""
    found: Sequence[Ended] = session.info.get(ENDED, ())
    for job in found:
        SECONDS.labels(job.kind, job.outcome).observe(max(0.0, time.time() - job.created_at))
    return found
