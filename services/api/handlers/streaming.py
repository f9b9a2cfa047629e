# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: the table is the truth, the feed makes it quick.

A stream subscribes before it reads the table, so nothing falls between. What the feed brings is passed on only if it
is the very next seq; anything else makes the stream read the table again. A silent feed is not trusted for longer
than LOOK_S. When this API ends, a stream ends with it, and its reader comes back to another one.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from services.api import draining
from services.api.metrics import STREAMS
from services.api.views.events import shown
from services.common.runtime.feed import Feed, Subscription

JsonDict = dict[str, Any]
LOOK_S = 2.0
BEAT_S = 10.0
COME_BACK = "retry: 200\n: this server is ending; come back with the last id you saw\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def wants_stream(accept: str) -> bool:
    """Whether the reader asked for a stream rather than a list."""
    return "text/event-stream" in accept


def respond(frames: Iterator[str]) -> Response:
    """The frames as an answer that goes on."""
    return Response(_counted(frames), mimetype="text/event-stream", headers=HEADERS)


def _counted(frames: Iterator[str]) -> Iterator[str]:
    STREAMS.inc()
    try:
        yield from frames
    finally:
        STREAMS.dec()


def frame(event: JsonDict, event_id: str = "") -> str:
    """One event on the wire."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event['kind']}\ndata: {json.dumps(event, separators=(',', ':'), default=str)}\n\n"


@dataclass
class Source:
    """Where a stream's events come from. `read` gives what is new in the table, oldest first, as (id, event)."""

    read: Callable[[], Iterable[tuple[str, JsonDict]]]
    follows: Callable[[JsonDict], str]  # the id of a live event that is the very next one, else ""
    over: Callable[[JsonDict], bool]  # whether nothing can come after this event
    channels: list[str] = field(default_factory=list)
    names: bool = False  # whether the reader may know hosts by name
    pace_s: float = 0.0  # the table is read at most this often


def stream(feed: Feed, source: Source) -> Iterator[str]:
    """Frames until the source is over or the reader leaves."""
    with feed.listen(source.channels) as news:
        yield "retry: 1000\n\n"
        yield from _live(news, source)


def _live(news: Subscription, source: Source) -> Iterator[str]:
    looked = due = said = 0.0
    while not draining.begun():
        if time.monotonic() >= due:
            looked = time.monotonic()
            due = looked + LOOK_S
            for event_id, event in source.read():
                said = time.monotonic()
                yield frame(event, event_id)
                if source.over(event):
                    return
        if time.monotonic() - said >= BEAT_S:
            said = time.monotonic()
            yield ": still here\n\n"
        message = _next(news, min(LOOK_S / 2, max(0.0, due - time.monotonic())))
        if message is None:
            continue
        if message.get("seq") is None:
            yield frame(shown(message, source.names))
            continue
        event_id = source.follows(message)
        if not event_id:
            due = min(due, looked + source.pace_s)  # a gap, or an old one: the table knows
            continue
        said = time.monotonic()
        yield frame(message, event_id)
        if source.over(message):
            return
    yield COME_BACK


def _next(news: Subscription, wait_s: float) -> JsonDict | None:
    begun = time.monotonic()
    message = news.get(wait_s)
    left = wait_s - (time.monotonic() - begun)
    if message is None and left > wait_s / 2:
        time.sleep(min(0.2, left))  # Redis is away and says so at once
    return message
