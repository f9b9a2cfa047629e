# SPDX-License-Identifier: Apache-2.0
"""Wires the store to the feed and the broker, once per process: what is committed is told, and rung for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.common.contracts.topics import job_channel, project_channel
from services.common.runtime.bus import Publisher
from services.common.runtime.dispatch import Dispatcher, Ringer
from services.common.runtime.feed import Feed
from services.common.runtime.settings import Settings
from services.common.store import outbox
from services.common.store.database import Announce, Database


def announcer(feed: Feed, ringer: Ringer) -> Announce:
    """Rings for what was put into the outbox, then tells events to the readers of the job and of the project.

    Both in the background: nobody who commits waits for the broker or for Redis.
    """
    teller = ThreadPoolExecutor(1, thread_name_prefix="teller")

    def announce(events: list[dict[str, Any]], rang: list[dict[str, Any]]) -> None:
        if rang:
            ringer.ring(rang)
        if events:
            teller.submit(_tell, feed, events)

    return announce


def _tell(feed: Feed, events: list[dict[str, Any]]) -> None:
    feed.publish_all((channel(e), e) for e in events for channel in (_job, _project))


def _job(event: dict[str, Any]) -> str:
    return job_channel(event["job"])


def _project(event: dict[str, Any]) -> str:
    return project_channel(event["project"])


def open_database(settings: Settings, feed: Feed | None = None, pool_size: int = 8) -> Database:
    """The database of the settings, wired to Redis and the broker."""
    database = Database(settings.database_url, pool_size=pool_size)

    def forget(ids: Sequence[int]) -> None:
        with database.write() as session:
            outbox.confirmed(session, ids)

    ringer = Ringer(Dispatcher(Publisher(settings.broker_url), settings.keys_dir), forget)
    database.announce = announcer(feed or Feed(settings.redis_url), ringer)
    return database
