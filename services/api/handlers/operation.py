# SPDX-License-Identifier: Apache-2.0
"""Is the process there, is what it needs there, and what has it counted."""

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.api import draining
from services.api.call import Answer, Call
from services.api.metrics import exposition
from services.common.runtime.reaching import broker_answers


def health(_call: Call) -> Answer:
    """The process answers."""
    return Answer({"status": "ok"})


def ready(call: Call) -> Answer:
    """Database, broker and Redis, each by name; 503 while one of them is away, and from SIGTERM on."""
    parts = {
        "database": call.parts.database.answers(),
        "broker": broker_answers(call.parts.settings.broker_url),
        "redis": call.parts.feed.ping(),
    }
    states = {name: "ok" if good else "away" for name, good in parts.items()}
    if draining.begun():
        return Answer({"status": "draining", **states}, 503)
    fine = all(parts.values())
    return Answer({"status": "ok" if fine else "unavailable", **states}, 200 if fine else 503)


def metrics(_call: Call) -> Response:
    """Prometheus' text format, over all of the API's processes."""
    return Response(exposition(), content_type=CONTENT_TYPE_LATEST)
