# SPDX-License-Identifier: Apache-2.0
"""Drift: a vm that came to be other than it was asked to be, and what can be done about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.common.contracts.flow import FLOWS
from services.common.contracts.states import RUNNING_VM, VmState


class Remedy(StrEnum):
    """What its owner can do about it."""

    ADOPT = "adopt"  # what is, is what was asked for from now on
    REPAIR = "repair"  # a job brings back what was asked for
    FORGET = "forget"  # what is gone is gone: record, claims and addresses go, too


class How(StrEnum):
    """How a drift ended."""

    ADOPTED = "adopted"
    REPAIRED = "repaired"  # a job was sent to
    FORGOTTEN = "forgotten"
    TAKEN_UP = "taken-up"  # somebody asked for something else of the vm
    PASSED = "passed"  # it is again what was asked for, by itself


@dataclass(frozen=True)
class Drift:
    """What was asked for, and what was found: first `since`, last `at`."""

    wanted: str  # the state it was in before
    power: str
    since: float
    at: float
    files: bool | None = None  # of a vm that is gone: whether its disks are still there; None: not told yet
    job: str = ""  # that was sent to repair it


_RUNNING = "running"
# (wanted, found) -> the job that brings it back
_REPAIRS: Mapping[tuple[str, str], str] = {
    (_RUNNING, "stopped"): "vm.start",
    (_RUNNING, "suspended"): "vm.resume",
    (_RUNNING, "missing"): "vm.repair",
    ("stopped", _RUNNING): "vm.stop",
    ("stopped", "missing"): "vm.redefine",
    ("suspended", _RUNNING): "vm.suspend",
    ("suspended", "missing"): "vm.redefine",  # what its memory held is lost
}
_SEEN_AS: Mapping[str, str] = {
    "on": "it was switched on",
    "off": "it was switched off",
    "paused": "it was paused",
    "crashed": "it crashed",
    "absent": "it was taken away",
}


def repair_of(drift: Drift, state: VmState) -> str:
    """The kind of job that brings the vm back; "" where none can."""
    kind = _REPAIRS.get((_called(VmState(drift.wanted)), _called(state)), "")
    if state == VmState.MISSING and drift.files is False:
        return ""
    return kind if kind in FLOWS else ""


def remedies(drift: Drift, state: VmState) -> tuple[Remedy, ...]:
    """What can be done now, by the state the vm is in."""
    found = [Remedy.REPAIR] if repair_of(drift, state) else []
    return (*found, Remedy.FORGET if state == VmState.MISSING else Remedy.ADOPT)


def passed(wanted: str, state: VmState) -> bool:
    """Whether the vm is again what it was asked to be."""
    return _called(VmState(wanted)) == _called(state)


def sentence(power: str, was: VmState, state: VmState, why: str = "") -> str:
    """What happened, for people; `why` where its host knows."""
    if why:
        return f"its power is {power}: {why} ({was} became {state})"
    return f"{_SEEN_AS.get(power, f'its power is {power}')}, not by this platform: {was} became {state}"


def _called(state: VmState) -> str:
    return _RUNNING if state in RUNNING_VM else str(state)
