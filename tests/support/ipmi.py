# SPDX-License-Identifier: Apache-2.0
"""A machine's controller that speaks IPMI over the network: OpenIPMI's simulator, and the machine's power in a file."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import missing
from tests.support.stack import free_port
from tests.support.waiting import until

USER, PASSWORD = "waker", "canary-of-ipmi"
_PING = bytes.fromhex("0600ff06000011be80000000")
_AUTHS = "none md2 md5 straight"
_LAN = """name "cellar"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_admin {auths}
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{script}"
  user 2 true "{user}" "{password}" admin 10 {auths}
"""
_MACHINE = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"
_CHASSIS = """#!/bin/sh
echo "$@" >> {folder}/orders
case "$1 $2" in
"get power") echo "power:$(cat {folder}/power)" ;;
"set power") echo "$3" > {folder}/power ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """Where its controller is, and what became of it."""

    port: int
    folder: Path

    @property
    def on(self) -> bool:
        """Whether it is switched on."""
        return (self.folder / "power").read_text().strip() == "1"

    @property
    def orders(self) -> list[str]:
        """What the controller had the machine do."""
        return [line for line in (self.folder / "orders").read_text().splitlines() if line.startswith("set")]


def _answers(port: int) -> bool:
    """Whether it answers to RMCP's presence ping."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.settimeout(0.2)
        try:
            out.connect(("127.0.0.1", port))
            out.send(_PING)
            return bool(out.recv(512))
        except OSError:
            return False


@contextmanager
def ipmi_machine(folder: Path) -> Iterator[Machine]:
    """A machine that is off; its controller listens on loopback."""
    for tool, package in (("ipmi_sim", "openipmi"), ("ipmitool", "ipmitool")):
        if shutil.which(tool) is None:
            missing(f"{tool}; install: apt-get install {package}")
    machine = Machine(free_port(), folder)
    (folder / "power").write_text("0\n")
    (folder / "orders").touch()
    script = folder / "chassis"
    script.write_text(_CHASSIS.format(folder=folder))
    script.chmod(0o755)
    told = {"port": machine.port, "auths": _AUTHS, "script": script, "user": USER, "password": PASSWORD}
    (folder / "lan.conf").write_text(_LAN.format(**told))
    (folder / "machine").write_text(_MACHINE)
    command = ("ipmi_sim", "-c", "lan.conf", "-f", "machine", "-s", str(folder / "state"), "-n")
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: _answers(machine.port), 30, "the controller")
        yield machine
    finally:
        running.terminate()
        running.wait(10)
