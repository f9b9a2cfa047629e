# SPDX-License-Identifier: Apache-2.0
"""The embedded stack as `make up` starts it: seconds until it is ready, and what it holds in memory when idle."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from deploy.local import machine_host, stack
from deploy.local.demo import create_admin
from deploy.local.files import secret
from deploy.local.home import Home
from deploy.local.settings import Addresses
from innkeeper import Client
from tests.support.stack import free_port

SETTLE_S = 10.0


def pss_mib(pid: int) -> float:
    """A process' share of memory: what is shared counts by its part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def members(root: Path) -> list[int]:
    """Every process that carries this stack's directory in its environment or its arguments."""
    mark = str(root).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark in told and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def measure() -> dict[str, float]:
    """ready_s and idle_mib: everything of `make up`, one registered host, Flower and libvirtd included."""
    home = Home(Path(tempfile.mkdtemp(prefix="ikh-")) / "h")
    os.environ["PORT"] = str(free_port())
    os.environ["INNKEEPER_HOME"] = str(home.root)
    try:
        begun = time.monotonic()
        stack.up(home, lambda _text: None)
        ready_s = time.monotonic() - begun
        password = secret(home.admin_password)
        create_admin(home)
        with Client(Addresses.load(home).api_url) as client:
            client.login("admin", password)
            machine_host.ensure(home, client)
        time.sleep(SETTLE_S)  # idle is what is measured
        return {"ready_s": ready_s, "idle_mib": sum(pss_mib(pid) for pid in members(home.root))}
    finally:
        stack.down(home, True, lambda _text: None)
        shutil.rmtree(home.root.parent, ignore_errors=True)
        os.environ.pop("INNKEEPER_HOME")
