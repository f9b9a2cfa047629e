# SPDX-License-Identifier: Apache-2.0
"""The fake host's memory: one JSON file, written whole and atomically, so it survives a kill of the agent."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from services.common.contracts.codec import dump, load
from services.common.contracts.commands import NicPlan
from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.fake.seed import FakeLink


@dataclass(frozen=True)
class FakeSnapshot:
    """What a vm was: with `memory` it ran."""

    id: str
    memory: bool
    sizes: Sizes
    installed: bool


@dataclass(frozen=True)
class FakeVm:
    """A vm on the fake host. `boots` counts its starts; a guest's boot id is made of it."""

    id: str
    uuid: str
    name: str
    platform: str
    fence: int
    vcpus: int
    memory_mib: int
    disk_gib: int
    os: str
    links: tuple[FakeLink, ...]
    power: str = Power.OFF
    started_at: float = 0.0
    boots: int = 0
    nics: tuple[NicPlan, ...] = ()
    installs: bool = False  # an installer's medium is in its drive
    installed: bool = False  # and has done its work
    snapshots: tuple[FakeSnapshot, ...] = ()
    live: Sizes | None = None  # what it has until it is off, where it was given other sizes


@dataclass(frozen=True)
class FakeVolume:
    """A volume on the fake host, the vm it is plugged into ("" none), and the datastore it lies on ("": none)."""

    id: str
    size_gib: int
    vm: str = ""
    datastore: str = ""


@dataclass(frozen=True)
class FakeState:
    """All there is. Networks by id, as JSON text of their plan; volumes by id."""

    vms: dict[str, FakeVm]
    networks: dict[str, str]
    volumes: dict[str, FakeVolume] = field(default_factory=dict)


def read_state(path: Path) -> FakeState:
    """What an earlier agent left; empty at first."""
    if not path.exists():
        return FakeState({}, {})
    return load(FakeState, json.loads(path.read_text()))


def write_state(path: Path, state: FakeState) -> None:
    """Replace the file; a reader sees the old or the new one."""
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump(dump(state), file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
