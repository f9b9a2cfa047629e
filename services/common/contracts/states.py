# SPDX-License-Identifier: Apache-2.0
"""The one table of states: what a job and a vm may be, and every legal move between two states.

A move that is not in the table raises IllegalMove. Nothing else in the platform compares states by hand
to decide whether a change is allowed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from services.common.contracts.errors import IllegalMove


class JobState(StrEnum):
    """Where a job stands. `undoing` walks back what the steps before left behind."""

    QUEUED = "queued"  # written down, no step begun
    RUNNING = "running"  # a step is due or in a worker's hands
    WAITING = "waiting"  # parked until a host or a guest reports
    STALLED = "stalled"  # past its deadline; the owner cancels, retries or rolls back
    UNDOING = "undoing"  # an undo is due or in a worker's hands
    UNDO_WAITING = "undo-waiting"  # parked until a host confirms an undo
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # rolled back after an error
    CANCELLED = "cancelled"  # rolled back because somebody asked


class VmState(StrEnum):
    """What a user is told about a vm."""

    PROVISIONING = "provisioning"
    READY = "ready"  # running, and the network asked for was seen from inside
    READY_UNVERIFIED = "ready-unverified"  # running, but its guest never spoke
    NETWORK_MISMATCH = "network-mismatch"  # running, but the network is not what was asked for
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    REBOOTING = "rebooting"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"  # it stands still in its host's memory
    RESUMING = "resuming"
    REBUILDING = "rebuilding"  # its system is installed anew
    MISSING = "missing"  # its host says it is not there
    REPAIRING = "repairing"  # what is missing is made again around its disks
    FAILED = "failed"  # creation failed and was rolled back; the job says why
    DELETING = "deleting"
    DELETED = "deleted"


class HostState(StrEnum):
    """Whether a host takes vms."""

    ENROLLED = "enrolled"  # registered, its agent has not spoken yet
    UP = "up"
    DOWN = "down"  # its agent's heartbeat is overdue
    DRAINING = "draining"
    MAINTENANCE = "maintenance"
    FALLING_ASLEEP = "falling-asleep"  # empty, and told to sleep
    ASLEEP = "asleep"
    WAKING = "waking"  # was called, and has not spoken yet


class MediaState(StrEnum):
    """How far an imported medium has come."""

    IMPORTING = "importing"
    AVAILABLE = "available"
    FAILED = "failed"
    DELETED = "deleted"


class VolumeState(StrEnum):
    """How a volume stands to the vm it is plugged into."""

    ATTACHING = "attaching"  # made where it is new, then plugged in
    ATTACHED = "attached"
    GROWING = "growing"
    DETACHING = "detaching"
    DETACHED = "detached"  # kept on its host, plugged into nothing
    DELETING = "deleting"
    DELETED = "deleted"


S = TypeVar("S", JobState, VmState, HostState, MediaState, VolumeState)
J, V, H, M, D = JobState, VmState, HostState, MediaState, VolumeState

JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    J.QUEUED: frozenset({J.RUNNING, J.UNDOING, J.CANCELLED, J.FAILED}),
    J.RUNNING: frozenset({J.RUNNING, J.WAITING, J.STALLED, J.UNDOING, J.SUCCEEDED, J.FAILED, J.CANCELLED}),
    J.WAITING: frozenset({J.WAITING, J.RUNNING, J.STALLED, J.UNDOING, J.SUCCEEDED, J.FAILED, J.CANCELLED}),
    J.STALLED: frozenset({J.RUNNING, J.WAITING, J.UNDOING, J.UNDO_WAITING, J.SUCCEEDED, J.CANCELLED, J.FAILED}),
    J.UNDOING: frozenset({J.UNDO_WAITING, J.STALLED, J.FAILED, J.CANCELLED}),
    J.UNDO_WAITING: frozenset({J.UNDO_WAITING, J.UNDOING, J.STALLED, J.FAILED, J.CANCELLED}),
    J.FAILED: frozenset({J.QUEUED}),  # retry
    J.CANCELLED: frozenset(),
    J.SUCCEEDED: frozenset(),
}

RUNNING_VM = frozenset({V.READY, V.READY_UNVERIFIED, V.NETWORK_MISMATCH})
# What is done to a vm without giving it another name is done to one of these.
STEADY_VM = RUNNING_VM | {V.STOPPED}
SETTLED_VM = RUNNING_VM | {V.STOPPED, V.SUSPENDED, V.MISSING}
_FROM_RUNNING = SETTLED_VM | {V.STOPPING, V.REBOOTING, V.SUSPENDING, V.REBUILDING, V.DELETING}
VM_MOVES: Mapping[VmState, frozenset[VmState]] = {
    V.PROVISIONING: SETTLED_VM | {V.FAILED, V.DELETING},
    V.READY: _FROM_RUNNING,
    V.READY_UNVERIFIED: _FROM_RUNNING,
    V.NETWORK_MISMATCH: _FROM_RUNNING,
    V.STOPPED: SETTLED_VM | {V.STARTING, V.REBUILDING, V.DELETING},
    V.SUSPENDED: SETTLED_VM | {V.RESUMING, V.STOPPING, V.DELETING},
    V.STARTING: SETTLED_VM | {V.DELETING},
    V.STOPPING: SETTLED_VM | {V.DELETING},
    V.REBOOTING: SETTLED_VM | {V.DELETING},
    V.SUSPENDING: SETTLED_VM | {V.DELETING},
    V.RESUMING: SETTLED_VM | {V.DELETING},
    V.REBUILDING: SETTLED_VM | {V.DELETING},
    V.MISSING: SETTLED_VM | {V.REPAIRING, V.REBUILDING, V.DELETING},
    V.REPAIRING: SETTLED_VM | {V.DELETING},
    V.FAILED: frozenset({V.PROVISIONING, V.DELETING}),
    V.DELETING: frozenset({V.DELETED}),
    V.DELETED: frozenset(),
}

HOST_MOVES: Mapping[HostState, frozenset[HostState]] = {
    H.ENROLLED: frozenset({H.UP, H.MAINTENANCE}),
    H.UP: frozenset({H.DOWN, H.DRAINING, H.MAINTENANCE, H.FALLING_ASLEEP}),
    H.DOWN: frozenset({H.UP, H.MAINTENANCE, H.WAKING}),
    H.DRAINING: frozenset({H.UP, H.MAINTENANCE, H.DOWN}),
    H.MAINTENANCE: frozenset({H.UP, H.DOWN}),
    H.FALLING_ASLEEP: frozenset({H.ASLEEP, H.UP, H.DOWN}),
    H.ASLEEP: frozenset({H.WAKING, H.UP, H.MAINTENANCE}),
    H.WAKING: frozenset({H.UP, H.DOWN}),
}

MEDIA_MOVES: Mapping[MediaState, frozenset[MediaState]] = {
    M.IMPORTING: frozenset({M.AVAILABLE, M.FAILED, M.DELETED}),
    M.AVAILABLE: frozenset({M.DELETED}),
    M.FAILED: frozenset({M.IMPORTING, M.DELETED}),
    M.DELETED: frozenset(),
}

VOLUME_MOVES: Mapping[VolumeState, frozenset[VolumeState]] = {
    D.ATTACHING: frozenset({D.ATTACHED, D.DETACHED, D.DELETED}),
    D.ATTACHED: frozenset({D.GROWING, D.DETACHING, D.DETACHED, D.DELETED}),
    D.GROWING: frozenset({D.ATTACHED, D.DETACHED, D.DELETED}),
    D.DETACHING: frozenset({D.ATTACHED, D.DETACHED, D.DELETED}),
    D.DETACHED: frozenset({D.ATTACHING, D.DELETING}),
    D.DELETING: frozenset({D.DETACHED, D.DELETED}),
    D.DELETED: frozenset({D.ATTACHING}),  # a new one that could not be made is tried again
}

JOB_ACTIVE = frozenset({J.QUEUED, J.RUNNING, J.WAITING, J.STALLED, J.UNDOING, J.UNDO_WAITING})
JOB_FINAL = frozenset({J.SUCCEEDED, J.FAILED, J.CANCELLED})
JOB_DUE = frozenset({J.QUEUED, J.RUNNING, J.UNDOING})  # a worker may claim it
JOB_PARKED = frozenset({J.WAITING, J.UNDO_WAITING})


def may_move(moves: Mapping[S, frozenset[S]], old: S, new: S) -> bool:
    """Whether the table allows old -> new; staying where one is always is."""
    return old == new or new in moves[old]


def moved(moves: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """Return `new`; raise IllegalMove where the table has no such move."""
    if not may_move(moves, old, new):
        raise IllegalMove(f"{type(old).__name__}: no move from {old} to {new}")
    return new
