# SPDX-License-Identifier: Apache-2.0
"""The guest agents, run as programs on a terminal that plays the virtio port, and read as the host reads them."""

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
from tests.support.waiting import until

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
    if bash := shutil.which("bash"):
        found["bash"] = [bash, str(MINI)]
    return found


@pytest.fixture(params=["pyz", *OLD_PYTHONS, "mini", "bash"])
def line(request: pytest.FixtureRequest, pyz: Path, run: Callable[[list[str]], Line]) -> Line:
    return run(command_of(request.param, pyz))


def command_of(name: str, pyz: Path) -> list[str]:
    return agents(pyz).get(name) or missing(f"{name}; install: apt-get install busybox-static bash")


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


@pytest.mark.parametrize("name", ["mini", "bash"])
def test_the_agent_in_shell_sees_the_network_that_the_one_in_python_sees(
    name: str, pyz: Path, run: Callable[[list[str]], Line]
) -> None:
    reports = [run(command_of(shell, pyz)).hear("report") for shell in ("pyz", name)]
    by_name = [{i["name"]: (i["mac"], i["mtu"], set(i["addresses"])) for i in r["interfaces"]} for r in reports]
    assert by_name[0] == by_name[1]
    assert reports[0]["dns"] == reports[1]["dns"]
    routes = [{(route["to"], route["via"]) for route in report["routes"]} for report in reports]
    assert routes[0] == routes[1]


ROUTES = """\
default proto static metric 100
\tnexthop via 192.0.2.1 dev eth0 weight 1
\tnexthop via 192.0.2.2 dev eth1 weight 1
10.1.0.0/16 via inet6 fe80::1 dev eth0
10.2.0.0/16 dev eth0 proto kernel scope link src 10.2.0.5
blackhole 10.3.0.0/16
198.51.100.7 via 192.0.2.9 dev eth0 metric 5
"""


def test_routes_that_iproute2_writes_otherwise_cost_no_report(
    pyz: Path, run: Callable[[list[str]], Line], tmp_path: Path
) -> None:
    command, ip = command_of("bash", pyz), tmp_path / "ip"
    ip.write_text(f"#!/bin/sh\n[ \"$1 $2\" = '-4 route' ] || exit 0\ncat <<'end'\n{ROUTES}end\n")
    ip.chmod(0o755)
    report = run(["env", f"PATH={tmp_path}:{os.environ['PATH']}", *command]).hear("report")
    assert [(route["to"], route["via"], route.get("metric")) for route in report["routes"]] == [
        ("0.0.0.0/0", "192.0.2.1", None),
        ("0.0.0.0/0", "192.0.2.2", None),
        ("198.51.100.7/32", "192.0.2.9", 5),
    ]


def test_the_agent_in_shell_waits_for_its_port_and_makes_no_file_of_it(tmp_path: Path) -> None:
    port, log = tmp_path / "port", tmp_path / "log"
    with open(log, "wb") as said:
        waiting = subprocess.Popen(["bash", "-x", str(MINI), str(port)], stderr=said, start_new_session=True)
    try:
        until(lambda: log.read_bytes().count(b"sleep 1") >= 2, 15, "two looks at the port")
        assert not port.exists()
    finally:
        waiting.kill()
        waiting.wait()
