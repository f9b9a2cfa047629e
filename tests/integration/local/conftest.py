# SPDX-License-Identifier: Apache-2.0
"""Servers that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deploy.local.servers import Server
from tests.support.missing import servers_needed


@pytest.fixture
def start() -> Iterator[Callable[[Server], Server]]:
    """Start a server that is ended after the test, whatever happens."""
    started: list[Server] = []

    def run(server: Server) -> Server:
        started.append(server)
        with servers_needed():
            return server.start()

    yield run
    for server in started:
        server.kill()
