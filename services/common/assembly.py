# SPDX-License-Identifier: Apache-2.0
"""Wires the store to the feed and the broker, once per process: what is committed is told, and rung for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.common.contracts.topics import OUTBOX_CHANNEL, job_channel, project_channel
from services.common.runtime import tracing
from services.common.runtime.bus import Publisher
from services.common.runtime.dispatch import Dispatcher, Ringer
from services.common.runtime.feed import Feed
from services.common.runtime.settings import Settings
from services.common.store import outbox
from services.common.store.database import Announce, Database
from services.common.store.ended import Ended


def announcer(feed: Feed, ringer: Ringer | None) -> Announce:
    """Rings for what was put into the outbox, then tells events to the readers of the job and of the project.

    Both in the background: nobody who commits waits for the broker or for Redis. Without a ringer the rows are
    handed to the relay, by way of Redis.
    """
    teller = ThreadPoolExecutor(1, thread_name_prefix="teller")

    def announce(events: list[dict[str, Any]], rang: list[dict[str, Any]]) -> None:
        if rang and ringer is not None:
            ringer.ring(rang)
        if events or rang:
            teller.submit(_tell, feed, events, rang if ringer is None else [])

    return announce


def _tell(feed: Feed, events: list[dict[str, Any]], left: list[dict[str, Any]]) -> None:
    rows = [(OUTBOX_CHANNEL, {"rows": left})] if left else []
    feed.publish_all([*rows, *((channel(e), e) for e in events for channel in (_job, _project))])


def _job(event: dict[str, Any]) -> str:
    return job_channel(event["job"])


def _project(event: dict[str, Any]) -> str:
    return project_channel(event["project"])


def _traced(job: Ended) -> None:
    tracing.tell(f"job {job.kind}", job.job, job.created_at, vm=job.vm, kind=job.kind, outcome=job.outcome)


def open_database(settings: Settings, feed: Feed | None = None, pool_size: int = 8, rings: bool = True) -> Database:
    """The database of the settings, wired to Redis and the broker.

    `rings=False` is for the api: publishing would take a third of what its processes can do.
    """
    database = Database(settings.database_url, pool_size=pool_size)
    database.ended = _traced
    feed = feed or Feed(settings.redis_url)
    if not rings:
        database.announce = announcer(feed, None)
        return database

    def forget(ids: Sequence[int]) -> None:
        with database.write() as session:
            outbox.confirmed(session, ids)

    ringer = Ringer(Dispatcher(Publisher(settings.broker_url), settings.keys_dir), forget)
    database.announce = announcer(feed, ringer)
    return database
