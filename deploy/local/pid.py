# SPDX-License-Identifier: Apache-2.0
"""A process that can't be mistaken for another: pid, start time and boot, so that a recycled pid is never signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self


@cache
def boot_id() -> str:
    """The name of this boot of the machine; a pid recorded under another one is dead."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, order=True)
class Pid:
    """One process, named for as long as the machine runs."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now, or None when there is none."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat.started, boot_id())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read back what `as_dict` wrote."""
        return cls(int(data["pid"]), int(data["started"]), str(data["boot"]))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a state file."""
        return asdict(self)

    def alive(self) -> bool:
        """Whether exactly this process still runs; a zombie doesn't."""
        stat = _stat(self.pid)
        return stat is not None and stat.state not in "ZX" and Pid(self.pid, stat.started, boot_id()) == self

    def send(self, number: signal.Signals) -> None:
        """Signal exactly this process; a process that is gone or another one under its number is left alone."""
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return
        try:
            if self.alive():  # checked after the pidfd pins the process, so there is no gap to lose it in
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)

    def uptime(self) -> float:
        """Seconds since the process started."""
        now = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, now - self.started / os.sysconf("SC_CLK_TCK"))

    def rss(self) -> int:
        """Resident memory in bytes; 0 when it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    parent: int
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def family(roots: Iterable[Pid]) -> list[Pid]:
    """The living processes among `roots`, their descendants, and everything in the sessions the living lead."""
    leaders = {root.pid for root in roots if root.alive()}
    stats = [stat for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(int(name)))]
    found = set(leaders)
    size = -1
    while size != len(found):
        size = len(found)
        found |= {s.pid for s in stats if s.parent in found or s.session in leaders}
    return sorted(Pid(s.pid, s.started, boot_id()) for s in stats if s.pid in found and s.state not in "ZX")


def end(pids: Iterable[Pid], grace: float, first: signal.Signals = signal.SIGTERM) -> list[Pid]:
    """Ask each process to end, wait `grace` seconds, then SIGKILL the rest; returns those that had to be killed."""
    rest = [pid for pid in pids if pid.alive()]
    for pid in rest:
        pid.send(first)
    rest = wait_gone(rest, grace)
    killed = rest
    for pid in rest:
        pid.send(signal.SIGKILL)
    wait_gone(rest, 10)
    return killed


def wait_gone(pids: Iterable[Pid], seconds: float) -> list[Pid]:
    """Wait until none of `pids` is alive; returns those that still are when time is up."""
    deadline = time.monotonic() + seconds
    rest = [pid for pid in pids if pid.alive()]
    while rest and time.monotonic() < deadline:
        time.sleep(0.02)
        rest = [pid for pid in rest if pid.alive()]
    return rest


def session(leader: int) -> list[Pid]:
    """The living processes of one session without its leader; only while the leader can't be recycled."""
    stats = [stat for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(int(name)))]
    return [Pid(s.pid, s.started, boot_id()) for s in stats if s.session == leader and s.pid != leader]
