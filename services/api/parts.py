# SPDX-License-Identifier: Apache-2.0
"""The parts one API process is made of; made in app.create_app and handed down, never global."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import redis

from services.api.cached import Cached
from services.api.limits import Limits
from services.api.passwords import Passwords
from services.api.tokens import Tokens
from services.common.catalog import OsEntry
from services.common.runtime.broker_admin import BrokerAdmin
from services.common.runtime.feed import Feed
from services.common.runtime.keys import Keys
from services.common.runtime.settings import Settings
from services.common.store.database import Database
from services.common.store.durations import Durations
from services.common.store.journal import SqlJournal


def _inside() -> httpx.Client:
    """To our own services: no proxy of the environment comes between; a master may take its time to be read."""
    return httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=60))


@dataclass(frozen=True)
class Parts:
    """Everything a handler may use beside its transaction."""

    settings: Settings
    database: Database
    keys: Keys
    feed: Feed
    redis: "redis.Redis"
    tokens: Tokens
    passwords: Passwords
    limits: Limits
    systems: Mapping[str, OsEntry]
    broker: BrokerAdmin
    http: httpx.Client = field(default_factory=_inside)
    cached: Cached = field(default_factory=Cached)
    durations: Durations = field(default_factory=Durations)

    @property
    def journal(self) -> SqlJournal:
        """The job journal on our database."""
        return SqlJournal(self.database)
