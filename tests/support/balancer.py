# SPDX-License-Identifier: Apache-2.0
"""What stands before several of one server: each new connection goes to the next one that says it is ready."""

import socket
import socketserver
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any

from tests.support.detour import passed_on

Address = tuple[str, int]


class Balancer:
    """Listens on a loopback port until closed. It knows connections, not requests, and tries nothing again."""

    def __init__(self, behind: Sequence[Address]):
        self._behind = list(behind)
        handler = type("Handler", (_Handler,), {"behind": self._behind, "turn": count()})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, address: Address) -> None:
        """Send connections there, too, while it says that it is ready."""
        self._behind.append(address)

    def close(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(address: Address, path: str) -> tuple[int, str]:
    """Status and text of a GET; 0 where nobody answers. (An HTTP client with TLS costs 30 ms each time it is made.)"""
    link = HTTPConnection(*address, timeout=3)
    try:
        link.request("GET", path)
        found = link.getresponse()
        return found.status, found.read().decode()
    except (OSError, HTTPException):
        return 0, ""
    finally:
        link.close()


def is_ready(address: Address) -> bool:
    """Whether the server there says so."""
    return answer(address, "/readyz")[0] == 200


class _Handler(socketserver.BaseRequestHandler):
    behind: Sequence[Address]
    turn: Any

    def handle(self) -> None:
        first = next(self.turn)
        behind = tuple(self.behind)
        for n in range(len(behind)):
            address = behind[(first + n) % len(behind)]
            if is_ready(address):
                self._join(address)
                return

    def _join(self, address: Address) -> None:
        try:
            outside = socket.create_connection(address, timeout=5)
        except OSError:  # it went in this moment: whoever asked sees a connection that is closed without an answer
            return
        with outside:
            outside.settimeout(None)
            back = threading.Thread(target=passed_on, args=(outside, self.request), daemon=True)
            back.start()
            passed_on(self.request, outside)
            back.join()
