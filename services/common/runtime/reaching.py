# SPDX-License-Identifier: Apache-2.0
"""Whether a broker is there, asked without signing in."""

import socket
from urllib.parse import urlsplit

REACH_S = 2.0


def broker_answers(url: str) -> bool:
    """Whether the broker speaks AMQP: it answers a protocol header with a method frame."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 5672), timeout=REACH_S) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            return link.recv(1) == b"\x01"
    except OSError:
        return False
