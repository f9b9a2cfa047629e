# SPDX-License-Identifier: Apache-2.0
"""Loopback ports that stay the same across restarts of a directory."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection, Sequence
from pathlib import Path

from deploy.local.files import read_json, write_json

# Below Linux' ephemeral range (32768-60999), so that no outgoing connection takes a port while its server is down.
_LOW, _HIGH = 20000, 32000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick(taken: Collection[int] = ()) -> int:
    """A port nobody listens on and that isn't in `taken`."""
    for _ in range(1000):
        port = random.randrange(_LOW, _HIGH)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free loopback port between {_LOW} and {_HIGH}")


def reserve(path: Path, names: Sequence[str]) -> dict[str, int]:
    """A port for each name, remembered in `path`; a remembered port that another process took is replaced."""
    known: dict[str, int] = read_json(path, {})
    ports: dict[str, int] = {}
    for name in names:
        port = known.get(name, 0)
        ports[name] = port if port and is_free(port) else pick({*known.values(), *ports.values()})
    if ports != known:
        write_json(path, ports)
    return ports


def answers(port: int, host: str = "127.0.0.1", timeout: float = 0.5) -> bool:
    """Whether something accepts connections on this port."""
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return False
    return True
