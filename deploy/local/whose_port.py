# SPDX-License-Identifier: Apache-2.0
"""Who listens on a port, for an error message that helps."""

from __future__ import annotations

import os
from pathlib import Path

_LISTEN = "0A"


def holder(port: int) -> str:
    """ "nginx (pid 812)" for the process that listens there; "another process" where that can't be seen."""
    inodes = _listening(port)
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            targets = {os.readlink(fd) for fd in Path("/proc", name, "fd").iterdir()}
        except OSError:
            continue
        if targets & inodes:
            command = Path("/proc", name, "comm").read_text().strip()
            return f"{command} (pid {name})"
    return "another process"


def _listening(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return inodes
