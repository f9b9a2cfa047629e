# SPDX-License-Identifier: Apache-2.0
"""The job journal as the engine sees it: a job in hand, what a step may answer, and what is written at its end.

Handlers are functions `(StepContext) -> Outcome`. They raise StepFailed (or any InnkeeperError that isn't
`again`) when the step can't be done for good, TryAgain when later may work.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.common.contracts.commands import Command
from services.common.contracts.states import JobState, VmState
from services.common.contracts.vm import VmSpec

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class VmView:
    """The vm a job works on."""

    id: str
    project: str
    name: str
    spec: VmSpec
    state: VmState
    fence: int
    host: str  # "" until placed
    platform: str  # this installation's id, the owner mark


@dataclass(frozen=True)
class JobView:
    """A job as loaded. `facts` holds each finished step's facts by step name; times are epoch seconds."""

    id: str
    kind: str
    project: str
    state: JobState
    step: str
    attempt: int
    fence: int
    vm: VmView | None = None
    media: str = ""
    params: JsonDict = field(default_factory=dict)
    facts: Mapping[str, JsonDict] = field(default_factory=dict)
    error: JsonDict | None = None
    undo: tuple[str, ...] = ()  # undos still to run, next first
    ends_as: JobState = JobState.FAILED  # what the job becomes when the undos are through
    deadline_at: float | None = None
    created_at: float = 0.0
    last_seq: int = 0
    due_since: float = 0.0  # when it was last rung for, or its pause was over


Progress = Callable[[float | None, str], None]  # percent of this step (or None), text


@dataclass(frozen=True)
class StepContext:
    """What a handler gets: the job, a way to tell progress, and the present time."""

    job: JobView
    progress: Progress
    now: float

    @property
    def vm(self) -> VmView:
        """The job's vm; a handler of a vm's flow may rely on it."""
        if self.job.vm is None:
            raise ValueError(f"job {self.job.id} has no vm")
        return self.job.vm


@dataclass(frozen=True)
class Done:
    """The step is done. `write(session)` is run in the transaction that ends the step: all of it or nothing."""

    facts: JsonDict = field(default_factory=dict)
    vm_state: VmState | None = None  # only the last step's counts
    write: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Park:
    """The step goes on elsewhere: at a host (command) or in the guest; a report or the deadline ends it."""

    command: Command | None = None
    facts: JsonDict = field(default_factory=dict)


Outcome = Done | Park
Handler = Callable[[StepContext], Outcome]


@dataclass(frozen=True)
class NewEvent:
    """An event to append; its seq is given when it is written."""

    kind: str
    step: str = ""
    text: str = ""
    data: JsonDict = field(default_factory=dict)


@dataclass(frozen=True)
class Bell:
    """Ring for a job: the Celery task of a step, with the job's id as its only argument."""

    queue: str
    task: str
    job: str


@dataclass(frozen=True)
class Changes:
    """All that one transaction writes about a job. None leaves a column as it is."""

    state: JobState
    step: str
    attempt: int = 0
    facts: Mapping[str, JsonDict] | None = None
    error: JsonDict | None = None
    undo: tuple[str, ...] | None = None
    ends_as: JobState | None = None
    due_at: float | None = None  # not before
    deadline_at: float | None = None
    resend_at: float | None = None
    step_begun: str = ""
    step_ended: str = ""
    step_outcome: str = ""  # done | failed | undone
    events: tuple[NewEvent, ...] = ()
    bells: tuple[Bell, ...] = ()
    command: Command | None = None
    at_host: bool = False  # the host has the command already; it is sent again only if nothing is heard
    still_sent: bool = False  # the command sent before stays the job's: its answer may come yet
    vm_state: VmState | None = None
    write: Callable[[Any], None] | None = None
    vm_back: bool = False  # the vm is called again what it was before the job


class Journal(Protocol):
    """Where jobs are kept. Every method is one transaction; False/None means somebody else was faster."""

    def claim(self, job_id: str, queue: str, owner: str, lease_s: float) -> JobView | None:
        """Take the job if its present step belongs to `queue`, is due and unleased; the fence goes up by one."""

    def renew(self, leases: Sequence[tuple[str, int]], lease_s: float) -> set[str]:
        """Prolong these (job, fence) leases; the ids of those still held."""

    def hand_back(self, leases: Sequence[tuple[str, int]]) -> None:
        """End these (job, fence) leases, as far as they are still held: the jobs are due at once, for anybody."""

    def apply(self, job: JobView, changes: Changes) -> bool:
        """Write the changes if `job.fence` is still the job's; after the commit tell readers and the relay."""
