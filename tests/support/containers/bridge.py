# SPDX-License-Identifier: Apache-2.0
"""A bridge for a dockerd: a network nobody else has, and at its end none of the firewall rules dockerd made for it.

dockerd leaves those rules; and of a run that was killed, the bridge, too. The next run takes both away.
"""

import os
import re
import shlex
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

NETWORKS = [IPv4Network(f"172.31.{n}.0/24") for n in range(64, 128)]
_NAME = re.compile(r"\bik-d([0-9a-f]+)\b")
_TABLES = ("nat", "filter")


class Bridge:
    """Named by the process it is for."""

    def __init__(self) -> None:
        self.name = f"ik-d{os.getpid():x}"

    def make(self) -> None:
        """Up, with an address; OSError with what the kernel said."""
        for name in abandoned(_links() + _rules()):
            _remove(name)
        network = free(_addresses())
        for words in (f"link add {self.name} type bridge", f"addr add {network[1]}/24 dev {self.name}"):
            _ip(*words.split())
        _ip("link", "set", self.name, "up")

    def remove(self) -> None:
        """Gone, and its rules; it may never have been made."""
        _remove(self.name)


def free(addresses: str) -> IPv4Network:
    """The first network without an address of this machine (`ip -4 -oneline address`)."""
    there = [IPv4Network(found, strict=False) for found in re.findall(r"\binet (\S+)", addresses)]
    return next(network for network in NETWORKS if not any(network.overlaps(one) for one in there))


def abandoned(text: str) -> set[str]:
    """The bridges a text names whose process is gone."""
    found = {match[0]: int(match[1], 16) for match in _NAME.finditer(text)}
    return {name for name, pid in found.items() if not Path(f"/proc/{pid}").exists()}


def _remove(name: str) -> None:
    for rule in _rules().splitlines():
        table, *words = shlex.split(rule)
        if name in words:
            _run("iptables", "-w", "-t", table, "-D", *words[1:])
    _run("ip", "link", "delete", name)


def _rules() -> str:
    """Lines such as `nat -A POSTROUTING ...`."""
    told = [(table, _run("iptables", "-w", "-t", table, "-S").stdout) for table in _TABLES]
    return "\n".join(f"{table} {line}" for table, lines in told for line in lines.splitlines() if line[:2] == "-A")


def _links() -> str:
    return _run("ip", "-brief", "link").stdout


def _addresses() -> str:
    return _run("ip", "-4", "-oneline", "address").stdout


def _ip(*words: str) -> None:
    done = _run("ip", *words)
    if done.returncode:
        raise OSError(done.stderr)


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, check=False)
