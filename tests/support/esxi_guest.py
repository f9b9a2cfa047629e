# SPDX-License-Identifier: Apache-2.0
"""Somebody in the place of an ESXi: runs the Python section of its kickstart, with programs that answer as told."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any


def sections(text: str) -> tuple[list[list[str]], list[list[str]], str]:
    """The commands, the lines of the shell section, and the Python section: as the installer cuts them."""
    head, shell, python = text.split("\n%firstboot ")
    interpreter, _, shell = shell.partition("\n")
    other, _, python = python.partition("\n")
    assert (interpreter, other) == ("--interpreter=busybox", "--interpreter=python")
    lines = [shlex.split(line) for line in shell.splitlines()[1:]]
    return [shlex.split(line) for line in head.splitlines()], lines, python


def run_first_boot(text: str, tmp_path: Path, esxcli: str = "exit 0") -> None:
    """Run the Python section as ESXi does, with an esxcli that does as told."""
    for name in ("esxcli", "chown", "vim-cmd", "auto-backup"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{esxcli}\n")
        program.chmod(0o755)
    python = sections(text)[2].replace("/var/log/", f"{tmp_path}/").replace("/etc/ssh/", f"{tmp_path}/")
    python = python.replace("/sbin/auto-backup.sh", str(tmp_path / "auto-backup"))
    assert "in (0, 5, 10, 15):" in python
    python = python.replace("in (0, 5, 10, 15):", "in (0, 0):")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", python], env=env, check=True, timeout=60)


def listing(tmp_path: Path, lists: dict[str, Any]) -> str:
    """A program's text that answers as esxcli does, with these lists."""
    for words, rows in lists.items():
        (tmp_path / words.replace(" ", "-")).write_text(json.dumps(rows))
    return f'case $1 in --formatter=json) shift 2; exec cat "{tmp_path}/$(echo "$*" | tr " " -)" ;; esac'
