# SPDX-License-Identifier: Apache-2.0
"""How far a job is, as its events tell it. Pure: no clock, no terminal.

A view starts with the job's steps, all pending; replaying the journal from its beginning brings it to the present.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from innkeeper.models.job import Job, JobEvent


@dataclass(frozen=True)
class Phase:
    """One step; state is pending, running, done, failed or undone."""

    name: str
    state: str = "pending"
    started: datetime | None = None
    finished: datetime | None = None
    expected_s: float | None = None
    percent: float | None = None

    def elapsed(self, now: datetime) -> float:
        """Seconds it has taken so far, or took; 0 before it began and when the clocks disagree."""
        if self.started is None:
            return 0.0
        return max(0.0, ((self.finished or now) - self.started).total_seconds())

    def share(self, now: datetime) -> float | None:
        """How much is done, 0..1: as reported, else guessed from the time it usually takes; None where nobody knows."""
        if self.percent is not None:
            return min(max(self.percent / 100, 0.0), 1.0)
        return min(self.elapsed(now) / self.expected_s, 0.99) if self.expected_s else None


@dataclass(frozen=True)
class View:
    """One job on the screen; `label` is what the user calls it, `text` the latest word of the job or its guest."""

    job: str
    label: str
    kind: str
    state: str
    phases: tuple[Phase, ...] = ()
    text: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    expected_s: float | None = None

    @property
    def running(self) -> Phase | None:
        """The step at work."""
        return next((p for p in reversed(self.phases) if p.state == "running"), None)


def opened(job: Job, label: str = "") -> View:
    """The view of a job before its journal is replayed."""
    phases = tuple(Phase(s.name, expected_s=s.expected_s) for s in job.steps if not s.undo)
    return View(job.id, label or job.id, job.kind, job.state, phases, began=job.created_at, expected_s=job.expected_s)


def closed(view: View, job: Job) -> View:
    """The view of a finished job: its own record has the last word."""
    phases = tuple(
        Phase(s.name, s.state, s.started_at, s.finished_at, s.expected_s, 100.0 if s.state == "done" else s.percent)
        for s in job.steps
        if not s.undo or s.state != "pending"
    )
    text = f"{job.error.title}: {job.error.detail}" if job.error else view.text
    ended = job.finished_at or view.ended
    return replace(view, state=job.state, phases=phases or view.phases, text=text, ended=ended)


def happened(view: View, event: JobEvent, now: datetime) -> View:
    """The view after one event; an event of a kind not known here changes only the state and the text."""
    at = event.at or now
    change = _CHANGES.get(event.kind)
    view = change(view, event, at) if change else view
    state = event.state or _STATES.get(event.kind) or view.state
    return replace(view, state=state, text=event.text or view.text)


def _step(view: View, event: JobEvent, **changes: object) -> View:
    """One step changed; an undo's step, which the flow doesn't list, is added at the end."""
    known = any(p.name == event.step for p in view.phases)
    phases = view.phases if known or not event.step else (*view.phases, Phase(event.step))
    return replace(
        view,
        phases=tuple(replace(p, **changes) if p.name == event.step else p for p in phases),  # type: ignore[arg-type]
    )


def _started(view: View, event: JobEvent, at: datetime) -> View:
    return _step(view, event, state="running", started=at, finished=None, percent=None)


def _finished(view: View, event: JobEvent, at: datetime) -> View:
    return _step(view, event, state="done", finished=at, percent=100.0)


def _failed(view: View, event: JobEvent, at: datetime) -> View:
    return _step(view, event, state="failed", finished=at)


def _progress(view: View, event: JobEvent, _: datetime) -> View:
    return view if event.percent is None else _step(view, event, percent=event.percent)


def _queued(view: View, event: JobEvent, at: datetime) -> View:
    """Also what a retry begins with: everything is still to do."""
    fresh = tuple(Phase(p.name, expected_s=p.expected_s) for p in view.phases)
    return replace(view, phases=fresh, began=at, ended=None)


def _ended(view: View, event: JobEvent, at: datetime) -> View:
    return replace(view, ended=at)


_CHANGES: Mapping[str, Callable[[View, JobEvent, datetime], View]] = {
    "job.queued": _queued,
    "step.started": _started,
    "step.finished": _finished,
    "step.failed": _failed,
    "guest.phase": _progress,
    "progress": _progress,
    "job.succeeded": _ended,
    "job.failed": _ended,
    "job.cancelled": _ended,
}
_STATES: Mapping[str, str] = {
    "job.queued": "queued",
    "step.started": "running",
    "undo.started": "undoing",
    "job.stalled": "stalled",
    "job.resumed": "running",
    "job.succeeded": "succeeded",
    "job.failed": "failed",
    "job.cancelled": "cancelled",
}
