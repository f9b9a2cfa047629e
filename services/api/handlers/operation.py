# SPDX-License-Identifier: Apache-2.0
"""Is the process there, is what it needs there, and what has it counted."""

import socket
from urllib.parse import urlsplit

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.api.call import Answer, Call
from services.api.metrics import exposition

REACH_S = 2.0


def health(_call: Call) -> Answer:
    """The process answers."""
    return Answer({"status": "ok"})


def ready(call: Call) -> Answer:
    """Database, broker and Redis, each by name; 503 while one of them is away."""
    parts = {
        "database": call.parts.database.answers(),
        "broker": _reachable(call.parts.settings.broker_url),
        "redis": call.parts.feed.ping(),
    }
    fine = all(parts.values())
    states = {name: "ok" if good else "away" for name, good in parts.items()}
    return Answer({"status": "ok" if fine else "unavailable", **states}, 200 if fine else 503)


def metrics(_call: Call) -> Response:
    """Prometheus' text format, over all of the API's processes."""
    return Response(exposition(), content_type=CONTENT_TYPE_LATEST)


def _reachable(url: str) -> bool:
    """Whether the broker speaks AMQP: it answers a protocol header with a method frame."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 5672), timeout=REACH_S) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            return link.recv(1) == b"\x01"
    except OSError:
        return False
