# SPDX-License-Identifier: Apache-2.0
"""The feed of a whole project."""

from collections.abc import Iterator

from innkeeper.models.job import JobEvent
from innkeeper.sse import server_events
from innkeeper.transport import Call, Transport
from innkeeper.watch import SILENCE_S, parse


class Events:
    """/v1/events"""

    def __init__(self, transport: Transport):
        self._transport = transport

    def stream(self) -> Iterator[JobEvent]:
        """What happens in the project from now on, until the connection ends; raises Unreachable when it breaks."""
        call = Call("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        with self._transport.stream(call, SILENCE_S) as response:
            for message in server_events(response.iter_lines()):
                yield parse(message)
