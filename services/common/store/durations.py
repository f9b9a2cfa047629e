# SPDX-License-Identifier: Apache-2.0
"""How long steps take, learned from the steps that were done before."""

import statistics
import time
from threading import Lock

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.flow import Step
from services.common.contracts.guest import GUEST_STEPS
from services.common.store.jobs import JobStep

SAMPLES = 25
KEEP_S = 20.0
# A deadline is never learned from fewer samples, and never below this many seconds.
ENOUGH = 5
LEAST_S = 20.0
# A guest may be silent for this long where nothing is learned yet, and for at least this long where it is.
FIRST_SILENCE_S = 1800.0
LEAST_SILENCE_S = 300.0


def recent(session: Session, step: str, os: str) -> list[float]:
    """Seconds that the latest finished steps of this name and os took."""
    rows = session.execute(
        select(JobStep.begun_at, JobStep.finished_at)
        .where(JobStep.name == step, JobStep.os == os, JobStep.state == "done", JobStep.finished_at.is_not(None))
        .order_by(JobStep.finished_at.desc())
        .limit(SAMPLES)
    ).all()
    return [end - begin for begin, end in rows if end is not None]


class Durations:
    """Expected times and deadlines, remembered for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, list[float]]] = {}
        self._lock = Lock()

    def _samples(self, session: Session, step: str, os: str) -> list[float]:
        with self._lock:
            known = self._known.get((step, os))
        if known and known[0] > time.monotonic():
            return known[1]
        samples = recent(session, step, os)
        with self._lock:
            self._known[step, os] = (time.monotonic() + KEEP_S, samples)
        return samples

    def expected_s(self, session: Session, step: str, os: str) -> float | None:
        """The median of earlier runs, or None where there is none."""
        samples = self._samples(session, step, os)
        return statistics.median(samples) if samples else None

    def silence_s(self, session: Session, step: Step, os: str) -> float:
        """How long a guest may say nothing new: twice as long as the whole step ever took lately."""
        samples = self._samples(session, step.name, os)
        if len(samples) < ENOUGH:
            return min(step.deadline_s, FIRST_SILENCE_S)
        return min(step.deadline_s, max(LEAST_SILENCE_S, 2 * max(samples)))

    def deadline_s(self, session: Session, step: Step, os: str) -> float:
        """Five times the longest recent run, never beyond the flow's own deadline.

        A step that ends by what the guest says has the guest's allowance, which begins anew with all it says.
        """
        if step.name in GUEST_STEPS:
            return self.silence_s(session, step, os)
        samples = self._samples(session, step.name, os)
        if len(samples) < ENOUGH or step.deadline_s <= LEAST_S:
            return step.deadline_s
        # The first run may build a master; a later one on another host may have to again: keep half as the least.
        return min(step.deadline_s, max(LEAST_S, step.deadline_s / 2, 5 * max(samples)))
