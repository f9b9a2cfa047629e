# SPDX-License-Identifier: Apache-2.0
"""The supervisor's state file: written whole, read by `up`, `down`, `status` and by the next supervisor."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from deploy.local.files import read_json, write_json
from deploy.local.pid import Pid

Phase = Literal["starting", "running", "stopping", "stopped", "failed"]
MARK = "INNKEEPER_STACK"


@dataclass
class Process:
    """One line of the process table as it is now."""

    state: str = "waiting"
    pid: Pid | None = None
    members: list[Pid] = field(default_factory=list)
    restarts: int = 0
    port: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the file."""
        pid = self.pid.as_dict() if self.pid else None
        members = [member.as_dict() for member in self.members]
        return {"state": self.state, "pid": pid, "members": members, "restarts": self.restarts, "port": self.port}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Process:
        """Read back what `as_dict` wrote."""
        pid = Pid.from_dict(data["pid"]) if data["pid"] else None
        members = [Pid.from_dict(member) for member in data["members"]]
        return cls(data["state"], pid, members, data["restarts"], data["port"])


@dataclass
class State:
    """The whole stack as the supervisor sees it."""

    phase: Phase = "stopped"
    error: str = ""
    supervisor: Pid | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    patience: float = 60.0  # seconds in which the supervisor ends all of it, whoever must be killed

    def save(self, path: Path) -> None:
        """Replace the file in one step."""
        supervisor = self.supervisor.as_dict() if self.supervisor else None
        processes = {name: process.as_dict() for name, process in self.processes.items()}
        data = {"phase": self.phase, "error": self.error, "supervisor": supervisor, "processes": processes}
        write_json(path, {**data, "patience": self.patience})

    @classmethod
    def load(cls, path: Path) -> State:
        """The last state written; an empty one when there is none."""
        data = read_json(path, None)
        if data is None:
            return cls()
        supervisor = Pid.from_dict(data["supervisor"]) if data["supervisor"] else None
        processes = {name: Process.from_dict(entry) for name, entry in data["processes"].items()}
        return cls(data["phase"], data["error"], supervisor, processes, data.get("patience", cls.patience))

    def running(self) -> bool:
        """Whether a supervisor is at work."""
        return self.supervisor is not None and self.supervisor.alive()

    def leftovers(self, root: Path) -> list[Pid]:
        """Processes of a supervisor that died: those it recorded, and those that carry this stack's mark."""
        recorded = {pid for process in self.processes.values() for pid in [process.pid, *process.members] if pid}
        return sorted({pid for pid in recorded if pid.alive()} | set(marked(root)))


def marked(root: Path) -> list[Pid]:
    """Every process that was started for the stack in `root`, by its environment."""
    mark = f"{MARK}={root}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment and (pid := Pid.of(int(name))) is not None and pid.alive():
            found.append(pid)
    return found


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Try to hold a lock for as long as the block runs; yields whether we have it. Death of the holder frees it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
