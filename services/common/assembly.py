# SPDX-License-Identifier: Apache-2.0
"""Wires the store to the feed, once per process: what is committed is told."""

from typing import Any

from services.common.contracts.topics import OUTBOX_CHANNEL, job_channel, project_channel
from services.common.runtime.feed import Feed
from services.common.runtime.settings import Settings
from services.common.store.database import Announce, Database


def announcer(feed: Feed) -> Announce:
    """Tells committed events to the readers of the job and of the project, and wakes the relay."""

    def announce(events: list[dict[str, Any]], rang: bool) -> None:
        messages = [(job_channel(e["job"]), e) for e in events] + [(project_channel(e["project"]), e) for e in events]
        if rang:
            messages.insert(0, (OUTBOX_CHANNEL, {}))
        feed.publish_all(messages)

    return announce


def open_database(settings: Settings, feed: Feed | None = None, pool_size: int = 8) -> Database:
    """The database of the settings, wired to Redis."""
    return Database(settings.database_url, announcer(feed or Feed(settings.redis_url)), pool_size)
