# SPDX-License-Identifier: Apache-2.0
"""The whole platform with one fake host, and `inn` as a process of its own, signed in to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.support.missing import servers_needed
from tests.support.scratch import short_directory
from tests.support.stack import ROOT, Stack, running

Done = subprocess.CompletedProcess[str]
Inn = Callable[..., Done]
ROOM = {"vcpus": 16, "memory_mib": 16384, "disk_gib": 500}


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with servers_needed(), short_directory() as directory, running(directory) as found:
        found.enrol("fake-1", "fake", capacity=ROOM)
        yield found


def shell(environ: Mapping[str, str]) -> Inn:
    """`inn` as a shell with this environment runs it."""

    def call(*args: str, input: str = "") -> Done:
        argv = [sys.executable, "-m", "innkeeper.cli.main", *args]
        return subprocess.run(
            argv, input=input, env=dict(environ), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    return call


@pytest.fixture(scope="module")
def inn(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Inn:
    """Signed in as admin, with a config file of its own."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("INN_")}
    call = shell(environ | {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("config"))})
    password = (stack.directory / "admin.password").read_text()
    done = call("login", stack.api_url, "-u", "admin", "--password-stdin", input=password)
    assert done.returncode == 0, done.stderr
    return call
