# SPDX-License-Identifier: Apache-2.0
"""What vendors' installers tell of themselves: the script their answers carry, run by a shell with a file for a port,
and every line of the answers that calls it."""

import json
import os
import re
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from services.common.catalog import systems, template
from services.common.contracts.guest import INSTALLED, MAX_LOG, PHASES, PORT_NAME, clear_line
from services.common.contracts.guest_message import read_message
from services.imagebuilder.seed import seed_files
from tests.support.imaging import SECRETS, VM_ID, a_spec
from tests.support.waiting import until

FAMILIES = ("el", "fedora", "suse", "ubuntu-installer")
ROWS = (
    "rhel-8-installer",
    "rocky-10-installer",
    "fedora-45-installer",
    "opensuse-leap-15.6-installer",
    "sles-15-sp7-installer",
    "sles-16-installer",
    "ubuntu-24.04-installer",
)
NAME = "innkeeper-tell.sh"
HASH = "$6$salt$aVeryLongHashOfAPassword./0123456789"
ANSWER = "I2Nsb3VkLWNvbmZpZwpob3N0bmFtZTogd2ViLTEKdXNlcnM6IFt7cGFzc3dkOiB9XQ=="


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Machine:
    """Where an installer runs: a folder in place of /run and /var/log, and of the port's device."""

    folder: Path

    @property
    def port(self) -> Path:
        return self.folder / PORT_NAME

    def here(self, script: str) -> str:
        """The script with this folder's paths, and so the one that it lays down."""
        moved = script.replace(f"/dev/virtio-ports/{PORT_NAME}", str(self.port))
        moved = re.sub(r"/(run|var/log)/", f"{self.folder}/", moved)
        ours = template("el", "tell.sh.j2")
        return moved if script == ours else moved.replace(encoded(ours), encoded(self.here(ours)))

    def tell(self, *words: str, timeout: float = 4) -> None:
        """Run the script as an installer does; it may not fail, nor take longer."""
        script = self.folder / NAME
        script.write_text(self.here(template("el", "tell.sh.j2")))
        subprocess.run(["sh", str(script), *words], check=True, timeout=timeout, capture_output=True)

    def said(self) -> list[dict[str, Any]]:
        """What the host's agent would have taken of it, in order."""
        lines = self.port.read_bytes().splitlines(keepends=True)
        return [read_message(line) for line in lines if line.endswith(b"\n")]

    def until_said(self, number: int) -> list[dict[str, Any]]:
        until(lambda: len(self.said()) >= number, timeout=10, what=f"{number} messages")
        return self.said()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / PORT_NAME).touch()
    return Machine(tmp_path)


def fifo(machine: Machine) -> None:
    """A port as ports are: who writes waits for who reads."""
    machine.port.unlink()
    os.mkfifo(machine.port)


def test_every_family_tells_by_the_same_script() -> None:
    assert len({template(family, "tell.sh.j2") for family in FAMILIES}) == 1


def test_phases_are_told_in_one_go_and_in_order(machine: Machine) -> None:
    machine.tell("loader up", "1", "network", "3")
    assert machine.until_said(2) == [
        {"type": "phase", "name": "loader up", "percent": 1},
        {"type": "phase", "name": "network", "percent": 3},
    ]


def test_without_a_port_nothing_is_done_and_nothing_made(machine: Machine) -> None:
    machine.port.unlink()
    machine.tell("installed", "100")
    assert [path.name for path in machine.folder.iterdir()] == [NAME]


def test_an_installation_does_not_wait_for_a_listener(machine: Machine) -> None:
    fifo(machine)
    machine.tell("packages", "15", timeout=2)
    with open(machine.port, "rb") as port:
        assert read_message(port.readline())["name"] == "packages"


def test_a_listener_that_never_comes_holds_the_last_word_up_for_seconds_only(machine: Machine) -> None:
    fifo(machine)
    short = machine.here(template("el", "tell.sh.j2")).replace("timeout 5 ", "timeout 0.1 ")
    assert short.count("timeout 0.1 ") == 1
    subprocess.run(["sh", "-c", short, NAME, "installed", "100"], check=True, timeout=4)


def test_a_word_that_comes_while_another_waits_is_told_after_it(machine: Machine) -> None:
    fifo(machine)
    machine.tell("packages", "15")
    machine.tell("bootloader", "90")
    # Open for writing, too: between two tellers the pipe would be at its end otherwise.
    with open(os.open(machine.port, os.O_RDWR), "rb") as port:
        assert {read_message(port.readline())["name"] for _ in range(2)} == {"packages", "bootloader"}


def test_a_failure_names_its_phase_the_reason_and_the_ends_of_the_logs(machine: Machine) -> None:
    machine.tell("partitioning", "12", "packages", "15")
    machine.until_said(2)
    machine.port.write_bytes(b"")
    (machine.folder / "anaconda.log").write_text(
        '10:00:01,2 INF x: "quoted" \\ back\n10:00:02,3 ERR dnf: no space\nend\n'
    )
    machine.tell("failed", str(machine.folder / "missing.log"), str(machine.folder / "anaconda.log"))
    (told,) = machine.until_said(1)
    assert (told["type"], told["phase"]) == ("failed", "packages")
    assert clear_line(told["log"]) == "10:00:02,3 ERR dnf: no space"
    assert '"quoted" \\ back\n' in told["log"]


def test_without_a_line_that_says_error_the_last_one_is_the_reason(machine: Machine) -> None:
    (machine.folder / "post.log").write_text("first\nsh: 3: dracut: not found\n")
    machine.tell("failed", str(machine.folder / "post.log"))
    assert clear_line(machine.until_said(1)[0]["log"]) == "sh: 3: dracut: not found"


def test_a_log_is_told_short_and_without_secrets(machine: Machine) -> None:
    log = machine.folder / "installer.log"
    noise = "".join(f"line {n} \x1b[1m \x00 \u202e {'x ' * 400}\n" for n in range(500))
    secrets = f"useradd -p {HASH} ops\necho c2hvcnQ= | base64 -d >>/target/x\nERROR: {ANSWER}\n"
    log.write_text(noise + secrets)
    machine.tell("failed", str(log))
    (told,) = machine.until_said(1)
    assert len(told["log"].encode()) <= MAX_LOG
    assert clear_line(told["log"]) == "ERROR: ..."
    assert "useradd -p ... ops" in told["log"]
    for secret in (HASH, HASH[8:], ANSWER, ANSWER[:40], "c2hvcnQ="):
        assert secret not in told["log"]


def answers(row: str) -> str:
    """The row's one answer file."""
    (text,) = (content.decode() for name, content in files(row).items() if name != "meta-data")
    return text


def files(row: str) -> dict[str, bytes]:
    entry = systems()[row]
    return seed_files(entry, VM_ID, a_spec(os=row, guest_agent=False), SECRETS)


def scripts(row: str) -> Iterator[str]:
    """All that an installer gives to a shell, in the order in which it does."""
    text = answers(row)
    if text.startswith("<?xml"):
        root = etree.fromstring(text.encode())
        yield from (source.text or "" for source in root.iter("{http://www.suse.com/1.0/yast2ns}source"))
    elif text.startswith("{"):
        kinds = json.loads(text)["scripts"]
        yield from (script["content"] for kind in ("pre", "postPartitioning", "post") for script in kinds[kind])
    elif text.startswith("#cloud-config"):
        section = yaml.safe_load(text)["autoinstall"]
        for kind in ("early-commands", "error-commands", "late-commands"):
            yield from (command for command in section[kind] if isinstance(command, str))
    else:
        yield from re.findall(r"^%(?:pre|pre-install|onerror|traceback|post)\b[^\n]*\n(.*?)^%end$", text, re.M | re.S)


def calls(row: str) -> list[str]:
    """Every line that calls the script, failures apart."""
    lines = [line for script in scripts(row) for line in script.splitlines()]
    return [line for line in lines if line.startswith(f"sh /run/{NAME} ") and " failed " not in line]


@pytest.mark.parametrize("row", ROWS)
def test_an_installer_tells_its_phases_from_the_loader_to_the_end(row: str, machine: Machine) -> None:
    (machine.folder / NAME).write_text(machine.here(template("el", "tell.sh.j2")))
    told: list[dict[str, Any]] = []
    for line in calls(row):
        subprocess.run(["sh", "-c", machine.here(line)], check=True)
        told += machine.until_said(1 if "partitioning" not in line and "network" not in line else 2)
        machine.port.write_bytes(b"")
    expected = list(PHASES[: PHASES.index(INSTALLED) + 1])
    if row.startswith("ubuntu"):
        expected = [phase for phase in expected if phase not in ("partitioning", "packages")]
    assert [said["name"] for said in told] == expected
    percents = [said["percent"] for said in told]
    assert percents == sorted(set(percents))
    assert percents[-1] == 100


@pytest.mark.parametrize("row", ROWS)
def test_the_script_is_laid_down_before_it_is_called(row: str) -> None:
    text = template(systems()[row].family, "tell.sh.j2")
    laid = [b64decode(found).decode() for found in re.findall(r"[A-Za-z0-9+/]{400,}=*", "\n".join(scripts(row)))]
    assert text in laid
    first = next(script for script in scripts(row) if NAME in script)
    assert re.search(rf"base64 -d ?> ?/run/{re.escape(NAME)}", first)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("ubuntu")])
def test_a_script_for_the_installed_system_that_breaks_off_is_told_with_its_last_words(
    row: str, machine: Machine
) -> None:
    script = machine.here(list(scripts(row))[-1])
    begun, _, _ = script.partition(f"sh {machine.folder}/{NAME} bootloader 90\n")
    assert begun != script
    done = subprocess.run(["sh", "-c", f"{begun}no-such-program\n"], check=False)
    assert done.returncode == 127
    (told,) = machine.until_said(1)
    assert told["type"] == "failed"
    assert "no-such-program: not found" in clear_line(told["log"])


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith(("sles", "opensuse"))])
def test_an_installer_with_a_hook_for_errors_tells_what_it_has_logged(row: str) -> None:
    hooks = [line for script in scripts(row) for line in script.splitlines() if f"{NAME} failed /" in line]
    logs = {word for line in hooks for word in line.split() if word.endswith(".log") and "post" not in word}
    wanted = "/var/log/installer/subiquity-server-debug.log" if row.startswith("ubuntu") else "/tmp/anaconda.log"
    assert wanted in logs


NOTED = """
start: subiquity/Install/install/curtin_install/run_curtin_step: executing curtin install initial step
executing curtin install partitioning step
  executing curtin install extract step
something else
executing curtin install curthooks step
final system configuration
"""


def test_ubuntus_phases_are_read_from_the_journal(machine: Machine) -> None:
    programs = machine.folder / "bin"
    programs.mkdir()
    (programs / "journalctl").write_text(f"#!/bin/sh\ncat {machine.folder}/journal\n")
    (programs / "journalctl").chmod(0o755)
    (machine.folder / "journal").write_text(NOTED)
    heard = machine.folder / "heard"
    (machine.folder / NAME).write_text(f'echo "$@" >>{heard}\n')
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    follow = machine.here(template("ubuntu-installer", "follow.sh.j2"))
    subprocess.run(["sh", "-c", follow], check=True, env=environment, timeout=30)
    assert heard.read_text().splitlines() == ["partitioning 10", "packages 20", "packages 45", "packages 65"]
