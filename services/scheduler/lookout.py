# SPDX-License-Identifier: Apache-2.0
"""The hosts as they are now, for who asks one question at a time; only what changed since the last one is read."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from services.common.contracts.placement import Decision, Request
from services.common.store.database import Database
from services.scheduler.engine.table import rows_of
from services.scheduler.engine.warm import Warmth
from services.scheduler.engines import Engines
from services.scheduler.inventory import Inventory
from services.scheduler.policy import Policy
from services.scheduler.roster import Roster


class Sight:
    """The hosts at one moment."""

    def __init__(self, roster: Roster, engines: Engines):
        self._roster = roster
        self._engines = engines

    def explained(self, request: Request, policy: Policy) -> Decision:
        """Where the request would go, and why."""
        return self._engines.of(policy).explain(request)

    def inventory(self, only: Sequence[str] | None = None) -> Inventory:
        """The hosts one by one: all, or those with these ids."""
        table = self._roster.table
        hosts = table.hosts() if only is None else [table.view(int(row)) for row in rows_of(table, only)]
        return Inventory(tuple(hosts), table.generation)

    def __len__(self) -> int:
        return len(self._roster.table)


class Lookout:
    """For any thread; questions wait for each other."""

    def __init__(self, database: Database, warmth: Warmth | None = None, clock: Callable[[], float] = time.time):
        self._roster = Roster(database, clock, exact=True)
        self._sight = Sight(self._roster, Engines(self._roster.table, warmth or Warmth()))
        self._lock = threading.Lock()

    @contextmanager
    def now(self) -> Iterator[Sight]:
        """The hosts as the database has them at this moment."""
        with self._lock:
            self._roster.sync(at_once=True)
            yield self._sight
