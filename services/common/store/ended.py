# SPDX-License-Identifier: Apache-2.0
"""How long jobs took, told once their end is committed, by whichever process ended them."""

import time

from prometheus_client import Histogram
from sqlalchemy.orm import Session

SECONDS = Histogram(
    "innkeeper_job_seconds",
    "Time from a job's request to its end",
    ["kind", "outcome"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 3600),
)
ENDED = "ended"


def ends(session: Session, kind: str, outcome: str, created_at: float) -> None:
    """The job ends with this transaction."""
    session.info.setdefault(ENDED, []).append((kind, outcome, max(0.0, time.time() - created_at)))


def tell_ended(session: Session) -> None:
    """The transaction is committed: count what ended in it."""
    for kind, outcome, seconds in session.info.get(ENDED, ()):
        SECONDS.labels(kind, outcome).observe(seconds)
