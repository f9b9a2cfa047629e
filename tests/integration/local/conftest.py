# SPDX-License-Identifier: Apache-2.0
"""Real servers for these tests: a missing one fails in CI and skips, saying so, on a person's machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.servers import Server, ServerError


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short path: sockets in it stay within 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ik-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Callable[[Server], Server]]:
    """Start a server that is ended after the test, whatever happens."""
    started: list[Server] = []

    def run(server: Server) -> Server:
        started.append(server)
        try:
            return server.start()
        except ServerError as error:
            if "isn't installed" in str(error) and not os.environ.get("CI"):
                pytest.skip(f"MISSING: {error}")
            raise

    yield run
    for server in started:
        server.kill()
