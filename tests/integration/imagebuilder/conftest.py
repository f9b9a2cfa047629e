# SPDX-License-Identifier: Apache-2.0
"""Masters are made once for all runs of the tests; QEMU guests end with their test."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters import Master, MasterStore, ensure_master
from tests.support.missing import missing
from tests.support.waiting import PATIENCE

CACHE = Path.home() / ".cache" / "innkeeper"


@pytest.fixture(scope="session")
def store() -> MasterStore:
    return MasterStore(CACHE)


@pytest.fixture(scope="session")
def mini(store: MasterStore) -> Master:
    try:
        return ensure_master(store, "mini", lambda percent, text: None)
    except ImageFailed as error:
        missing(error.detail)


class Guest:
    """A machine under software emulation; speaks as the host at the other end of its virtio-serial port."""

    def __init__(self, folder: Path, arguments: list[str]):
        self.folder = folder
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "port"))
        self._listener.listen()
        self.process = subprocess.Popen([*self._machine(), *arguments], stdin=subprocess.DEVNULL)
        self._listener.settimeout(20 * PATIENCE)
        self._port, _ = self._listener.accept()
        self._lines = self._port.makefile("rb")

    def _machine(self) -> list[str]:
        qemu = shutil.which("qemu-system-x86_64")
        if qemu is None:
            missing("qemu-system-x86_64; install: apt-get install qemu-system-x86")
        return [
            *(qemu, "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256", "-nodefaults", "-display", "none"),
            *("-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off", "-serial", f"file:{self.folder / 'console'}"),
            *("-device", "virtio-scsi-pci", "-device", "virtio-serial-pci", "-device", "virtio-rng-pci"),
            *("-chardev", f"socket,id=guest,path={self.folder / 'port'}"),
            *("-device", "virtserialport,chardev=guest,name=org.innkeeper.guest.0"),
        ]

    def message(self, kind: str, timeout: float = 60) -> dict[str, Any]:
        """The next message of that type."""
        return self.until(kind, timeout=timeout)[-1]

    def until(self, *kinds: str, timeout: float) -> list[dict[str, Any]]:
        """All messages up to the next of those types; `timeout`: seconds, as for an idle machine."""
        timeout *= PATIENCE
        end, told = time.monotonic() + timeout, []
        self._port.settimeout(timeout)
        while time.monotonic() < end:
            line = self._lines.readline()
            if not line:
                break
            message: dict[str, Any] = json.loads(line)
            told.append(message)
            if message["type"] in kinds:
                return told
        raise AssertionError(f"no {' or '.join(kinds)} came, but {told}; the console says: {self.console()}")

    def report_with(self, address: str) -> dict[str, Any]:
        """The first report in which some link has that address."""
        while True:
            report = self.message("report")
            if any(address in link["addresses"] for link in report["interfaces"]):
                return report

    def say(self, message: dict[str, Any]) -> None:
        """Send the guest a line."""
        self._port.sendall(json.dumps(message).encode() + b"\n")

    def press_power(self) -> None:
        """The ACPI button."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "qmp"))
            file = control.makefile("rwb", buffering=0)
            file.readline()
            for command in ("qmp_capabilities", "system_powerdown"):
                file.write(json.dumps({"execute": command}).encode() + b"\n")
                file.readline()

    def console(self) -> str:
        """What the guest wrote on its serial console."""
        return (self.folder / "console").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._port.close()
        self._listener.close()


@pytest.fixture
def guests(tmp_path: Path) -> Iterator[list[Guest]]:
    running: list[Guest] = []
    yield running
    for guest in running:
        guest.close()
