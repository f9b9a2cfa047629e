# SPDX-License-Identifier: Apache-2.0
"""A job, its steps, and the events of its journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer, load

FINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})
FINAL_KINDS = frozenset({"job.succeeded", "job.failed", "job.cancelled"})
PROGRESS = "progress"  # the one kind without a seq: not in the journal, never replayed


@dataclass(frozen=True, kw_only=True)
class Evidence(Answer):
    """What was seen of the vm when its job broke; `console` and `log` are ends, `links` lead to all that is kept."""

    console: str = ""
    log: str = ""
    note: str = ""
    screenshot: bool = False
    taken_at: datetime | None = None
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobError(Answer):
    """Why a job failed, or stalled."""

    code: str = ""
    title: str = ""
    detail: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, kw_only=True)
class JobStep(Answer):
    """One step; state is pending, running, done, failed or undone; `expected_s` is learned from history,
    and so is `silence_s`: how long the guest it waits for may say nothing new.

    An `undo` step takes back what another left behind: it is pending until the job has to walk back.
    """

    name: str
    state: str = "pending"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expected_s: float | None = None
    silence_s: float | None = None
    percent: float | None = None
    undo: bool = False


@dataclass(frozen=True, kw_only=True)
class GuestPhase(Answer):
    """How far a guest is that a job waits for, as it said itself."""

    name: str = ""
    percent: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Job(Answer):
    """Work that was asked for, and how far it has come."""

    id: str
    kind: str
    state: str
    step: str = ""
    phase: GuestPhase | None = None
    vm: str = ""
    project: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: JobError | None = None
    steps: tuple[JobStep, ...] = ()
    expected_s: float | None = None
    fence: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing more will happen, unless somebody retries it."""
        return self.state in FINAL_STATES

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.state == "succeeded"


@dataclass(frozen=True, kw_only=True)
class JobEvent(Answer):
    """One line of a job's journal, in the past tense; `seq` is None for progress."""

    kind: str
    job: str = ""
    vm: str = ""
    seq: int | None = None
    at: datetime | None = None
    step: str = ""
    text: str = ""
    percent: float | None = None
    state: str = ""
    vm_state: str = ""


def job_event(body: Any) -> JobEvent:
    """An event of its wire form: a percentage stands beside the text or, in the journal, among the event's data."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if isinstance(data, Mapping) and "percent" in data:
        body = {"percent": data["percent"], **body}
    return load(JobEvent, body)
