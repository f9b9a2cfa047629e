# SPDX-License-Identifier: Apache-2.0
"""Clones on the fake host: a disk that was copied is a small file in its vm's directory."""

import time
from pathlib import Path

from services.common.contracts.commands import ClonePlan, DeployPlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Copied, Power
from services.hostagent.drivers.fake.state import FakeVm

_COPY = "root.copy"
_PARTS = 20  # of a copy that takes its time


def refuse_unless_off(source: FakeVm) -> None:
    """Raise HostFailed where it may write to its disk."""
    if source.power != Power.OFF:
        raise HostFailed(f"{source.name} is {source.power}: a vm is cloned while it is off")


def copy(directory: Path, source: FakeVm, clone: ClonePlan, seconds: float, copied: Copied) -> None:
    """Take so long; then the copy is there, whole."""
    directory.mkdir(exist_ok=True)
    hit("agent.before-clone")
    for part in range(_PARTS if seconds else 0):
        copied(100.0 * part / _PARTS)
        time.sleep(seconds / _PARTS)
    draft = directory / f"{_COPY}.draft"
    draft.write_text(f"{source.id} {max(source.disk_gib, clone.size_gib)}\n", encoding="ascii")
    hit("agent.before-clone-kept")
    draft.rename(directory / _COPY)
    hit("agent.after-clone")


def is_copied(directory: Path) -> bool:
    """Whether a whole copy is there."""
    return (directory / _COPY).exists()


def refuse_without_copy(plan: DeployPlan, directory: Path) -> None:
    """Raise HostFailed where the plan counts on a copy that isn't there."""
    if any(disk.cloned for disk in plan.disks) and not is_copied(directory):
        raise HostFailed(f"defining {plan.name}: its disk was not copied yet")
