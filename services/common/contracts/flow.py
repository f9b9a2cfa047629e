# SPDX-License-Identifier: Apache-2.0
"""Every flow as one table: its steps, who runs each, how it is undone, and how long it may take.

A step may run twice and must not show it. A step that parks hands a command to a host (or waits for a guest)
and is finished by the report, not by the worker. An undo accepts "it was never there".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.contracts.states import VmState as V


class Queue:
    """Who runs a step: the Celery queues, one for each service that works."""

    SCHEDULER = "scheduler"
    IMAGEBUILDER = "imagebuilder"
    WORKER = "worker"


# The parameter of a job whose vm is set up by an installer: its guest says when that is done.
INSTALLS = "install"
# The parameter of a job whose vm is made with volumes (contracts.data_disks).
VOLUMES = "volumes"
# The parameter of a job that is about a snapshot with the memory of a vm that ran: its guest goes on.
MEMORY = "memory"

# The flows of a vm that isn't there yet.
MAKING = ("vm.create", "vm.clone")

QUEUES = (Queue.SCHEDULER, Queue.IMAGEBUILDER, Queue.WORKER)


@dataclass(frozen=True)
class Step:
    """One step; `undo` names the step (in UNDO_STEPS) that takes back what it leaves behind."""

    name: str
    queue: str
    deadline_s: float
    undo: str = ""
    parks: bool = False
    resend_s: float = 0.0  # a parked command is sent again after this long (idempotent at the host)
    follows: bool = False  # needs nothing but the job: whoever ends the step before sends it off at once
    only: str = ""  # taken by jobs alone whose parameter of this name is true


@dataclass(frozen=True)
class Flow:
    """What a job of one kind does, and what its vm is called before, after, and when it failed."""

    kind: str
    steps: tuple[Step, ...]
    during: V | None = None
    after: V | None = None
    failed: V | None = None  # None: the vm goes back to what it was

    def step(self, name: str) -> Step:
        """The step of that name, forward or undo: no flow has a step of its own that is called like an undo."""
        return next((s for s in self.steps if s.name == name), None) or UNDO_STEPS[name]

    def taken(self, params: Mapping[str, Any]) -> tuple[Step, ...]:
        """The steps a job with these parameters takes."""
        return tuple(step for step in self.steps if not step.only or params.get(step.only))

    def after_step(self, name: str, params: Mapping[str, Any]) -> Step | None:
        """The step that follows for a job with these parameters, or None at the end."""
        steps = self.taken(params)
        following = [s.name for s in steps].index(name) + 1
        return steps[following] if following < len(steps) else None


_ERASE = Step("erase", Queue.WORKER, 120, parks=True, resend_s=3)
_RELEASE = Step("release", Queue.SCHEDULER, 30)
_DISCARD = Step("discard", Queue.IMAGEBUILDER, 30)
_DROP_MEDIA = Step("drop-media", Queue.IMAGEBUILDER, 60)

_STAY_AWAKE = Step("stay-awake", Queue.WORKER, 30)
_GIVE_UP_WAKING = Step("give-up-waking", Queue.WORKER, 30)

_LET_GO_ROOM = Step("let-go-room", Queue.WORKER, 30)
_RESIZE_BACK = Step("resize-back", Queue.WORKER, 120, parks=True, resend_s=3)
_DROP_SNAPSHOT = Step("drop-snapshot", Queue.WORKER, 600, parks=True, resend_s=10)
_FORGET_SNAPSHOT = Step("forget-snapshot", Queue.WORKER, 30)

_TAKE_OFF_VOLUME = Step("take-off-volume", Queue.WORKER, 120, parks=True, resend_s=3)
_LET_GO_VOLUME = Step("let-go-volume", Queue.WORKER, 30)
# What is booked for a volume comes first and is settled last, so that its undo is the last, too.
_HOLD_VOLUME = Step("hold-volume", Queue.WORKER, 30, undo="let-go-volume")
_SETTLE_VOLUME = Step("settle-volume", Queue.WORKER, 30)

_UNPLUG_NIC = Step("unplug-nic", Queue.WORKER, 120, parks=True, resend_s=3)
_LET_GO_NIC = Step("let-go-nic", Queue.WORKER, 30)
_RESEED = Step("reseed", Queue.IMAGEBUILDER, 120)  # the guest's seed says what it shall have from now on

_UNDOS = (
    *(_ERASE, _RELEASE, _DISCARD, _DROP_MEDIA, _STAY_AWAKE, _GIVE_UP_WAKING),
    *(_TAKE_OFF_VOLUME, _LET_GO_VOLUME, _UNPLUG_NIC, _LET_GO_NIC),
    *(_LET_GO_ROOM, _RESIZE_BACK, _DROP_SNAPSHOT, _FORGET_SNAPSHOT),
)
UNDO_STEPS: Mapping[str, Step] = {s.name: s for s in _UNDOS}

FLOWS: Mapping[str, Flow] = {
    flow.kind: flow
    for flow in (
        Flow(
            "vm.create",
            (
                Step("place", Queue.SCHEDULER, 30, undo="release"),
                Step("build", Queue.IMAGEBUILDER, 1800, undo="discard"),
                Step("deploy", Queue.WORKER, 300, undo="erase", parks=True, resend_s=3, follows=True),
                Step("attach-volume", Queue.WORKER, 120, undo="erase", parks=True, resend_s=3, only=VOLUMES),
                Step("start", Queue.WORKER, 120, undo="erase", parks=True, resend_s=3, follows=True),
                Step("install", Queue.WORKER, 7200, parks=True, follows=True, only=INSTALLS),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                # Until here a new volume is a part of its vm's making, and goes with it.
                Step("settle-volume", Queue.WORKER, 30, only=VOLUMES),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.PROVISIONING,
            after=V.READY,
            failed=V.FAILED,
        ),
        # A new vm with a copy of another one's disk, on that one's host; it is left off, as the other one is.
        Flow(
            "vm.clone",
            (
                Step("place", Queue.SCHEDULER, 30, undo="release"),
                Step("build", Queue.IMAGEBUILDER, 1800, undo="discard"),
                Step("clone", Queue.WORKER, 14400, undo="erase", parks=True, resend_s=10),
                Step("deploy", Queue.WORKER, 300, undo="erase", parks=True, resend_s=3, follows=True),
            ),
            during=V.PROVISIONING,
            after=V.STOPPED,
            failed=V.FAILED,
        ),
        Flow("vm.delete", (_ERASE, _DISCARD, _RELEASE), during=V.DELETING, after=V.DELETED, failed=V.DELETING),
        Flow(
            "vm.start",
            (
                Step("start", Queue.WORKER, 120, parks=True, resend_s=3),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.STARTING,
            after=V.READY,
        ),
        Flow(
            "vm.stop",
            (Step("stop", Queue.WORKER, 180, parks=True, resend_s=10),),
            during=V.STOPPING,
            after=V.STOPPED,
        ),
        Flow(
            "vm.force-stop",
            (Step("force-stop", Queue.WORKER, 60, parks=True, resend_s=3),),
            during=V.STOPPING,
            after=V.STOPPED,
        ),
        Flow(
            "vm.reboot",
            (
                Step("reboot", Queue.WORKER, 180, parks=True, resend_s=10),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.REBOOTING,
            after=V.READY,
        ),
        Flow(
            "vm.reset",
            (
                Step("reset", Queue.WORKER, 60, parks=True, resend_s=3),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.REBOOTING,
            after=V.READY,
        ),
        Flow(
            "vm.resize",
            (
                Step("hold-room", Queue.SCHEDULER, 30, undo="let-go-room"),
                Step("resize", Queue.WORKER, 120, undo="resize-back", parks=True, resend_s=3),
                Step("settle-size", Queue.WORKER, 30),
            ),
        ),
        Flow(
            "vm.snapshot",
            (
                Step("note-snapshot", Queue.WORKER, 30, undo="forget-snapshot"),
                Step("snapshot", Queue.WORKER, 600, undo="drop-snapshot", parks=True, resend_s=10),
                Step("keep-snapshot", Queue.WORKER, 30),
            ),
        ),
        Flow(
            "vm.revert",
            (
                Step("look-away", Queue.WORKER, 30),
                Step("revert", Queue.WORKER, 600, parks=True, resend_s=10),
                Step("reverted", Queue.WORKER, 30),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True, only=MEMORY),
                Step("verify", Queue.WORKER, 30, only=MEMORY),
            ),
        ),
        # The same vm with a new system: what was on its first disk is gone from the step `wipe` on.
        Flow(
            "vm.rebuild",
            (
                Step("look-away", Queue.WORKER, 30),
                Step("wipe", Queue.WORKER, 120, parks=True, resend_s=3),
                Step("build", Queue.IMAGEBUILDER, 1800, undo="discard"),
                Step("deploy", Queue.WORKER, 300, parks=True, resend_s=3, follows=True),
                Step("start", Queue.WORKER, 120, parks=True, resend_s=3, follows=True),
                Step("install", Queue.WORKER, 7200, parks=True, follows=True, only=INSTALLS),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.REBUILDING,
            after=V.READY,
        ),
        Flow("vm.drop-snapshot", (_DROP_SNAPSHOT, _FORGET_SNAPSHOT)),
        Flow(
            "vm.suspend",
            (Step("suspend", Queue.WORKER, 60, parks=True, resend_s=3),),
            during=V.SUSPENDING,
            after=V.SUSPENDED,
        ),
        Flow(
            "vm.resume",
            (Step("resume", Queue.WORKER, 60, parks=True, resend_s=3), Step("verify", Queue.WORKER, 30)),
            during=V.RESUMING,
            after=V.READY,
        ),
        # What was made once stays when it can't be made again: nothing here is undone but the image.
        Flow(
            "vm.repair",
            (
                Step("look-away", Queue.WORKER, 30),
                Step("build", Queue.IMAGEBUILDER, 1800, undo="discard"),
                Step("deploy", Queue.WORKER, 300, parks=True, resend_s=3, follows=True),
                Step("start", Queue.WORKER, 120, parks=True, resend_s=3, follows=True),
                Step("boot", Queue.WORKER, 600, parks=True, follows=True),
                Step("verify", Queue.WORKER, 30),
            ),
            during=V.REPAIRING,
            after=V.READY,
        ),
        Flow(
            "vm.redefine",
            (
                Step("build", Queue.IMAGEBUILDER, 1800, undo="discard"),
                Step("deploy", Queue.WORKER, 300, parks=True, resend_s=3, follows=True),
            ),
            during=V.REPAIRING,
            after=V.STOPPED,
        ),
        Flow(
            "vm.attach-volume",
            (
                _HOLD_VOLUME,
                Step("attach-volume", Queue.WORKER, 120, undo="take-off-volume", parks=True, resend_s=3),
                _SETTLE_VOLUME,
            ),
        ),
        Flow(
            "vm.grow-volume",
            (_HOLD_VOLUME, Step("grow-volume", Queue.WORKER, 120, parks=True, resend_s=3), _SETTLE_VOLUME),
        ),
        Flow(
            "vm.detach-volume",
            (_HOLD_VOLUME, Step("detach-volume", Queue.WORKER, 120, parks=True, resend_s=10), _SETTLE_VOLUME),
        ),
        Flow(
            "vm.attach-nic",
            (
                Step("hold-nic", Queue.WORKER, 30, undo="let-go-nic"),
                _RESEED,
                Step("attach-nic", Queue.WORKER, 120, undo="unplug-nic", parks=True, resend_s=3),
            ),
        ),
        Flow(
            "vm.detach-nic",
            (
                _RESEED,
                Step("detach-nic", Queue.WORKER, 120, parks=True, resend_s=10),
                Step("settle-nic", Queue.WORKER, 30),
            ),
        ),
        Flow(
            "volume.delete",
            (_HOLD_VOLUME, Step("drop-volume", Queue.WORKER, 120, parks=True, resend_s=3), _SETTLE_VOLUME),
        ),
        Flow(
            "host.sleep",
            (
                Step("fall-asleep", Queue.WORKER, 60, undo="stay-awake", parks=True, resend_s=10),
                Step("asleep", Queue.WORKER, 30),
            ),
        ),
        # The call is repeated until the host speaks or the time is up.
        Flow("host.wake", (Step("wake", Queue.WORKER, 300, undo="give-up-waking"),)),
        Flow("media.import", (Step("import", Queue.IMAGEBUILDER, 7200, undo="drop-media"),)),
    )
}


def task_name(step: Step) -> str:
    """The Celery task that rings for a step, as Flower shows it: queue and step."""
    return f"{step.queue}.{step.name}"


def undo_path(flow: Flow, reached: str) -> tuple[Step, ...]:
    """The undos to run, last first, when a job stops at step `reached`; each undo once."""
    names = [s.name for s in flow.steps]
    steps = flow.steps[: names.index(reached) + 1] if reached in names else ()
    path: dict[str, Step] = {}
    for step in reversed(steps):
        if step.undo:
            path.setdefault(step.undo, UNDO_STEPS[step.undo])
    return tuple(path.values())
