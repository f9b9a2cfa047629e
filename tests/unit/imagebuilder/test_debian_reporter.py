# SPDX-License-Identifier: Apache-2.0
"""What debian-installer's log makes the reporter tell: phases, and why it failed. The lines are as the installer's own.

It runs in an ordinary shell with a file for a port, and with no programs but those it may use: `poweroff` is a mark.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.catalog import template
from services.common.contracts.guest import MAX_LOG, PHASES, clear_line
from services.common.contracts.guest_message import read_message
from tests.support.waiting import until

PROGRAMS = ("cat", "grep", "sed", "sync", "tail", "tr")


class Installer:
    """A machine with a log, a port, and the reporter in it."""

    def __init__(self, folder: Path):
        self.off, self.log, self._port = folder / "off", folder / "syslog", folder / "vport0p1"
        programs = folder / "bin"
        programs.mkdir()
        for name in PROGRAMS:
            (programs / name).symlink_to(str(shutil.which(name)))
        self._script(programs / "modprobe", "exit 0")
        self._script(programs / "sleep", f"exec {shutil.which('sleep')} 0.02")
        self._script(programs / "poweroff", f': >"{self.off}"')
        ports = folder / "ports" / self._port.name
        ports.mkdir(parents=True)
        (ports / "name").write_text("org.innkeeper.guest.0\n")
        self._port.touch()
        self.told = folder / "syslog.told"
        self._environment = {"PATH": str(programs), "GOODBYE": "0"}
        self._reporter = folder / "report.sh"
        self._reporter.write_text(template("debian-installer", "report.sh.j2"))
        self._watch = ["watch", str(self.log), str(ports.parent), str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def _script(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def logs(self, *lines: str, **limits: str) -> None:
        """Write these lines, and have them read; limits are the reporter's own, in seconds."""
        self.log.write_text("".join(f"Nov 21 10:07:31 {line}\n" for line in lines))
        argv = ["/bin/sh", str(self._reporter), *self._watch]
        self._process = subprocess.Popen(argv, env={**self._environment, **limits})

    def messages(self) -> list[dict[str, Any]]:
        """What the host's agent would have taken of what was told, in order."""
        return [
            read_message(line) for line in self._port.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]

    def phases(self) -> list[tuple[str, float]]:
        """Names and percents of the phases told so far."""
        return [(said["name"], said["percent"]) for said in self.messages() if said["type"] == "phase"]

    def failure(self) -> dict[str, Any]:
        """The `failed` message, once the machine is off."""
        until(self.off.exists, what="power off")
        return next(said for said in self.messages() if said["type"] == "failed")

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def installer(tmp_path: Path) -> Iterator[Installer]:
    machine = Installer(tmp_path)
    yield machine
    machine.close()


def item(name: str) -> str:
    return f"main-menu[2366]: INFO: Menu item '{name}' selected"


def asked(question: str) -> tuple[str, ...]:
    """debconf has a question on the screen."""
    return (f"debconf: --> INPUT critical {question}", "debconf: <-- 0 question will be asked", "debconf: --> GO")


def fetched(path: str, answer: str = "ERROR 404: Not Found.") -> tuple[str, ...]:
    return (
        f"net-retriever: regular: {path} /tmp/net-retriever-2718-Packages",
        f"anna[2716]: http://mirror.example/debian/{path}:",
        f"anna[2716]: 2026-11-21 10:07:39 {answer}",
    )


COMPONENTS = "dists/bookworm/main/debian-installer/binary-amd64/Packages"
NO_NETWORK = "anna[2716]: failed: Connection refused."
FAILURES = {
    "the index of components is missing": (
        [*fetched(f"{COMPONENTS}.xz"), *fetched(COMPONENTS), *fetched(COMPONENTS.replace("main", "contrib"))],
        "retriever/net/error",
        f"mirror has no installer components: {COMPONENTS} is not there",
    ),
    "the release has none": (
        ["net-retriever: regular: dists/bookworm/Release.gpg /tmp/x", "net-retriever: gpgv: Good signature"],
        "retriever/net/error",
        "mirror has no installer components: none are listed in its Release file",
    ),
    "a component is missing": (
        [*fetched("pool/main/a/acl/acl-udeb_2.3.1-3_amd64.udeb")],
        "retriever/net/error",
        "mirror has no installer components: pool/main/a/acl/acl-udeb_2.3.1-3_amd64.udeb is not there",
    ),
    "somebody else signed": (
        ["net-retriever: error: Bad signature on /tmp/Release."],
        "retriever/net/error",
        "installer components can't be fetched: Bad signature on /tmp/Release.",
    ),
    "the mirror is down": (
        ["net-retriever: regular: dists/bookworm/Release /tmp/x", NO_NETWORK],
        "retriever/net/error",
        "installer components can't be fetched: failed: Connection refused.",
    ),
    "components are of another kernel": (
        [],
        "anna/no_kernel_modules",
        "mirror has no installer components for this kernel: one of them is older",
    ),
    "it is no mirror": (
        ["choose-mirror[2654]: 2026-11-21 10:07:36 ERROR 404: Not Found."],
        "mirror/bad",
        "bad archive mirror: no Release file is there",
    ),
    "nothing listens": (
        ["main-menu[2366]: (process:2647): failed: Connection refused."],
        "mirror/bad",
        "bad archive mirror: failed: Connection refused.",
    ),
    "there is no disk": ([item("disk-detect")], "disk-detect/module_select", "no disk was found"),
    "no disk will do": ([], "partman-target/no_root", "no disk was set up: there is none, or it is too small"),
    "no lease": ([], "netcfg/dhcp_failed", "the network can't be set up: dhcp_failed"),
    "too little memory": ([], "lowmem/low", "too little memory for the installer"),
    "a step fails": (
        ["main-menu[2366]: WARNING **: Configuring 'bootstrap-base' failed with error code 1"],
        "debian-installer/main-menu",
        "Configuring 'bootstrap-base' failed with error code 1",
    ),
    "a user can't be made": (
        ["log-output: useradd: cannot lock /etc/passwd; try again later."],
        "preseed/command_failed",
        "the installed system can't be set up as asked",
    ),
    "there is no way to security.debian.org": (
        [],
        "apt-setup/service-failed",
        "no way to the updates: security.debian.org, or the mirror's",
    ),
    "any other question": ([], "partman/confirm", "the installer asks partman/confirm, which nobody will answer"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_question_nobody_will_answer_is_a_failure_that_ends_the_machine(case: str, installer: Installer) -> None:
    lines, question, reason = FAILURES[case]
    installer.logs(*lines, *asked(question), PATIENCE="0")
    assert clear_line(installer.failure()["log"]) == reason


def test_early_questions_are_told_by_their_own_frontend(installer: Installer) -> None:
    lines = [line.replace("debconf:", "frontend:") for line in asked("preseed/load_error")]
    installer.logs(*lines, PATIENCE="0")
    assert "preseed/load_error" in clear_line(installer.failure()["log"])


def test_silence_is_a_failure_that_names_where(installer: Installer) -> None:
    installer.logs(item("partman-base"), SILENCE="0")
    said = installer.failure()
    assert (said["phase"], clear_line(said["log"])) == (
        "partitioning",
        "the installer is silent for 0 s in partman-base",
    )


def test_a_network_that_was_not_written_is_a_failure_before_the_system_boots(installer: Installer) -> None:
    hook = "/usr/lib/finish-install.d/60innkeeper-network"
    installer.logs(item("finish-install"), f"finish-install: warning: {hook} returned error code 1")
    said = installer.failure()
    assert (said["phase"], clear_line(said["log"])) == ("bootloader", "the installed system's network can't be written")


def test_an_item_that_never_ends_is_a_failure(installer: Installer) -> None:
    installer.logs(item("pkgsel"), ITEM_LIMIT="0")
    assert clear_line(installer.failure()["log"]) == "the installer is in pkgsel for 0 s"


def test_a_failure_brings_the_logs_end_and_no_talk_of_debconf(installer: Installer) -> None:
    noise = [f'in-target: E: "{number}" \\ \t\x1b[1m ünusual' for number in range(2000)]
    installer.logs(*noise, "debconf: --> SET passwd/root-password-crypted !", *asked("a/b"), PATIENCE="0")
    log = installer.failure()["log"]
    assert len(log) <= MAX_LOG
    assert log.splitlines()[-1].endswith('in-target: E: "1999" \\ [1m nusual')
    assert "debconf:" not in log
    assert "passwd/" not in log


# What an installation logs, and what is told of it.
INSTALLATION = [
    (item("localechooser"), []),
    (item("ethdetect"), [("network", 4)]),
    (item("choose-mirror"), [("network", 8)]),
    (item("download-installer"), [("network", 10)]),
    ("debconf: --> PROGRESS START 0 200 anna/progress_title", []),
    ("debconf: --> PROGRESS STEP 100", [("network", 15)]),
    ("debconf: --> PROGRESS INFO anna/progress_step_retr", []),
    ("debconf: --> PROGRESS STOP", []),
    (item("partman-base"), [("partitioning", 23)]),
    (item("bootstrap-base"), [("packages", 30)]),
    ("debconf: --> PROGRESS START 0 1000 base-installer/progress/installing-base", []),
    ("debconf: --> PROGRESS SET 500", [("packages", 45)]),
    ("debconf: --> PROGRESS SET 400", []),
    (item("pkgsel"), [("packages", 64)]),
    ("debconf: --> PROGRESS START 0 100 pkgsel/progress/init", []),
    ("debconf: --> PROGRESS SET 100", [("packages", 88)]),
    (item("grub-installer"), [("bootloader", 90)]),
    (item("finish-install"), [("bootloader", 94)]),
    ("innkeeper: installed", [("installed", 100)]),
]


def test_an_installation_is_told_from_the_loader_to_its_end(installer: Installer) -> None:
    installer.logs(*(line for line, _ in INSTALLATION))
    until(installer.told.exists, what="the hook's leave to go on")
    assert installer.phases() == [("loader up", 2), *(told for _, phases in INSTALLATION for told in phases)]
    assert {name for name, _ in installer.phases()} <= set(PHASES)
    assert not installer.off.exists()


def test_what_was_preseeded_is_no_failure(installer: Installer) -> None:
    skipped = (
        "debconf: --> INPUT critical a/b",
        "debconf: <-- 30 question skipped",
        "debconf: --> GO",
        "debconf: <-- 0 ok",
    )
    answered = (*asked("c/d"), "debconf: <-- 0 ok")
    installer.logs(*skipped, *answered, item("ethdetect"), "debconf: --> GO", PATIENCE="0")
    until(lambda: ("network", 4) in installer.phases(), what="the last line")
    assert [said["type"] for said in installer.messages()] == ["phase", "phase"]


def test_lines_are_read_as_they_come(installer: Installer) -> None:
    installer.logs(item("ethdetect"))
    until(lambda: ("network", 4) in installer.phases(), what="the first phase")
    with installer.log.open("a") as log:
        os.write(log.fileno(), b"Nov 21 10:07:31 main-menu[2366]: INFO: Menu item 'grub-installer' sel")
        os.write(log.fileno(), b"ected\n")
    until(lambda: ("bootloader", 90) in installer.phases(), what="the second phase")
