# SPDX-License-Identifier: Apache-2.0
"""A private Redis: memory only, on loopback, with a password."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import ClassVar

from deploy.local.files import secret, write
from deploy.local.servers.base import Server, need, plain_env, private

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
save ""
appendonly no
daemonize no
databases 16
maxmemory 256mb
maxmemory-policy noeviction
"""


class Redis(Server):
    """Redis with nothing on disk: what it holds is lost at a stop, as the architecture allows."""

    name: ClassVar[str] = "redis"

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        return self.ports["redis"]

    @property
    def url(self) -> str:
        """redis://:password@127.0.0.1:port/0"""
        return f"redis://:{secret(self._secret)}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        private(self.directory)
        private(self.directory / "data")
        self.reserve_ports("redis")
        settings = {
            "port": self.port,
            "password": secret(self._secret),
            "data": self.directory / "data",
        }
        write(self.directory / "redis.conf", _CONFIG.format(**settings))

    def command(self) -> list[str]:
        return [
            need("redis-server", package="redis-server"),
            str(self.directory / "redis.conf"),
        ]

    def env(self) -> dict[str, str]:
        return plain_env()

    def ready(self) -> bool:
        request = f"AUTH {secret(self._secret)}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as connection:
                connection.sendall(request)
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(100)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    @property
    def _secret(self) -> Path:
        return self.directory / "password"
