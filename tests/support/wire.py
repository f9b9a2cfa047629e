# SPDX-License-Identifier: Apache-2.0
"""What passes at the interfaces of a private libvirtd's network, seen from outside of the guests."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.servers.libvirtd import Libvirtd
from tests.support import wire_tap
from tests.support.waiting import until


def in_the_room(libvirtd: Libvirtd, *words: str) -> list[str]:
    """The command, seeing the directories and the network that this libvirtd and its guests see."""
    keeper = libvirtd.pids()[0]
    become_root = [] if os.geteuid() == 0 else ["sudo"]
    return [*become_root, "nsenter", f"--target={keeper.pid}", "--mount", "--net", "--", *words]


def run_in_the_room(libvirtd: Libvirtd, *words: str) -> str:
    """Run it there; what it printed."""
    done = subprocess.run(in_the_room(libvirtd, *words), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Frame:
    """Who sent it, by its own account. `address` is "-" where the kind has none that is looked at."""

    mac: str
    kind: str  # arp | ip | ip6 | the number of another one
    address: str = "-"


class Wire:
    """Listens at some interfaces. What a guest sends comes in at its tap, what it gets goes out there."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def lines(self) -> list[list[str]]:
        """All there was so far."""
        whole = self._log.read_text().rpartition("\n")[0].splitlines()
        return [line.split() for line in whole if line != "ready"]

    def seen(self, interface: str, way: str = "in") -> list[Frame]:
        """The frames that passed there this way, in order."""
        return [Frame(*words[2:]) for words in self.lines() if words[:2] == [interface, way]]


@contextmanager
def listening_to(libvirtd: Libvirtd, interfaces: Sequence[str], log: Path) -> Iterator[Wire]:
    """Listen for the length of the block."""
    argv = in_the_room(libvirtd, sys.executable, "-I", wire_tap.__file__, *interfaces)
    with log.open("wb") as out, subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=out) as tap:
        until(lambda: log.read_text() or tap.poll() is not None, 20, "somebody listens")
        assert log.read_text().startswith("ready\n"), log.read_text()
        yield Wire(log)
        tap.communicate()  # it ends with its input
