# SPDX-License-Identifier: Apache-2.0
"""A project's events, as they were committed: as a list, or as a stream that goes on where its reader left off."""

from collections.abc import Iterator
from typing import Any

from services.api.call import Answer, Call
from services.api.handlers.streaming import Source, respond, stream, wants_stream
from services.api.views.events import shown, stored
from services.api.views.feed_ids import id_of, read_id
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.topics import project_channel
from services.common.store.drifts import drift_message
from services.common.store.event_feed import EventFeed, Page
from services.common.store.models import JobEvent
from services.common.store.turns import Seen

JsonDict = dict[str, Any]
PAGE = 1000
PACE_S = 0.02  # in a busy moment a stream reads the table this often, not for each event
BEGINNING = Seen(0)


def of_project(call: Call) -> Any:
    """Events of the project's jobs, and of vms that drift; a stream begins now, or after Last-Event-ID (or ?after)."""
    feed = EventFeed(call.parts.database, call.project.id)
    after = call.headers.get("Last-Event-ID", "") or call.query.get("after") or ""
    seen = _seen(feed, after) if after else None
    if wants_stream(call.headers.get("Accept", "")):
        reader = _FeedReader(feed, feed.now() if seen is None else seen, call.admin)
        return respond(stream(call.parts.feed, reader.source(project_channel(call.project.id))))
    found = _told(feed.page(seen or BEGINNING, call.query["limit"]), call.admin)
    return Answer({"items": [event for _, event in found], "next": found[-1][0] if found else None})


def _seen(feed: EventFeed, after: str) -> Seen:
    try:
        at, seen = read_id(after)
    except ValueError as error:
        detail = f"{after[:60]!r} is not the id of an event"
        raise Invalid(detail, [Problem("?after", detail, "send the id of the last event seen")]) from error
    # A number this database hasn't reached was another one's, from before a restore; the time still says where.
    return seen if seen is not None and seen.before <= feed.now().before else feed.after_time(at)


def _told(page: Page, names: bool) -> list[tuple[str, JsonDict]]:
    return [
        (id_of(place, seen), stored(row, names) if isinstance(row, JobEvent) else shown(drift_message(row), names))
        for place, row, seen in page.events
    ]


class _FeedReader:
    """Where one reader of a project stands. What Redis tells only says that it is time to look."""

    def __init__(self, feed: EventFeed, seen: Seen, names: bool):
        self._feed = feed
        self._seen = seen
        self._names = names

    def source(self, channel: str) -> Source:
        """Its stream; it is never over."""
        return Source(self._read, lambda _event: "", lambda _event: False, [channel], self._names, PACE_S)

    def _read(self) -> Iterator[tuple[str, JsonDict]]:
        full = True
        while full:
            page = self._feed.page(self._seen, PAGE)
            yield from _told(page, self._names)
            self._seen, full = page.seen, page.full
