# SPDX-License-Identifier: Apache-2.0
"""Both guest agents, run as programs on a terminal that plays the virtio port, and read as the host reads them."""

import os
import select
import shutil
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts.guest_message import read_message
from services.guestagent.build import pack
from services.hostagent.guest_input import Lines
from tests.support.missing import missing

MINI = Path(__file__).parents[3] / "services/guestagent/mini.sh"


def _works(name: str) -> bool:
    found = shutil.which(name)
    return found is not None and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0


OLD_PYTHONS = [name for name in ("python3.6", "python3.7", "python3.8", "python3.9") if _works(name)]


class Line:
    """The host's end of the port."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lines = Lines()
        self.heard: list[dict[str, Any]] = []

    def hear(self, kind: str, timeout: float = 15.0) -> dict[str, Any]:
        """The next message of that type; every line must be one the host accepts."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            while self.heard:
                if (message := self.heard.pop(0))["type"] == kind:
                    return message
            if select.select([self.fd], [], [], 0.2)[0]:
                self.heard += [read_message(line) for line in self.lines.feed(os.read(self.fd, 65536))]
        raise AssertionError(f"no {kind} within {timeout} s")


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "guestagent.pyz"
    path.write_bytes(pack())
    return path


@pytest.fixture
def run() -> Iterator[Callable[[list[str]], Line]]:
    ends: list[Callable[[], object]] = []

    def start(command: list[str]) -> Line:
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        process = subprocess.Popen([*command, os.ttyname(theirs)], start_new_session=True)
        ends.extend([process.kill, process.wait, lambda: os.close(ours), lambda: os.close(theirs)])
        return Line(ours)

    yield start
    for end in ends:
        end()


def agents(pyz: Path) -> dict[str, list[str]]:
    busybox = shutil.which("busybox")
    found = {"pyz": [sys.executable, str(pyz)]}
    found.update({name: [name, str(pyz)] for name in OLD_PYTHONS})
    if busybox:
        found["mini"] = [busybox, "sh", str(MINI)]
    return found


@pytest.fixture(params=["pyz", *OLD_PYTHONS, "mini"])
def line(request: pytest.FixtureRequest, pyz: Path, run: Callable[[list[str]], Line]) -> Line:
    command = agents(pyz).get(request.param)
    if command is None:
        missing("busybox; install: apt-get install busybox-static")
    return run(command)


def test_an_agent_says_hello_reports_and_beats(line: Line) -> None:
    hello = line.hear("hello")
    assert hello["boot_id"]
    report = line.hear("report")
    assert report["boot_id"] == hello["boot_id"]
    assert all(interface["name"] != "lo" for interface in report["interfaces"])
    assert line.hear("heartbeat")["uptime_s"] > 0
    assert line.hear("load")["memory_total_mib"] > 0


def test_an_agent_reports_again_when_asked(line: Line) -> None:
    first = line.hear("report")
    line.hear("load")
    os.write(line.fd, b'{"type":"ask"}\n')
    line.hear("hello")
    assert line.hear("report") == first


def test_noise_from_the_host_is_ignored(line: Line) -> None:
    line.hear("load")
    os.write(line.fd, b'\xff\x00 not json\n[]\n{"type":"unknown"}\n{"type":"ask"}\n')
    line.hear("hello")


def test_the_archive_is_the_same_every_time_and_names_no_path() -> None:
    assert pack() == pack()
    assert str(Path(__file__).parents[3]).encode() not in pack()


def test_both_agents_see_the_same_network(pyz: Path, run: Callable[[list[str]], Line]) -> None:
    commands = agents(pyz)
    if "mini" not in commands:
        missing("busybox; install: apt-get install busybox-static")
    reports = [run(commands[name]).hear("report") for name in ("pyz", "mini")]
    by_name = [{i["name"]: (i["mac"], i["mtu"], set(i["addresses"])) for i in r["interfaces"]} for r in reports]
    assert by_name[0] == by_name[1]
    assert reports[0]["dns"] == reports[1]["dns"]
    routes = [{(route["to"], route["via"]) for route in report["routes"]} for report in reports]
    assert routes[0] == routes[1]
