# SPDX-License-Identifier: Apache-2.0
"""The hosts of the database as a table that one thread decides on, kept up with what others change.

A view that is a moment old does no harm: a claim is compared and swapped, and who finds no host looks again first.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.placement import Request
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.tables import table_of
from services.scheduler.engine.table import HostTable
from services.scheduler.inventory import load_inventory

HOSTS = table_of(Host)
# Looking for changes shall take a twentieth of the time at most, however many hosts there are.
SHARE = 20
LEAST_S = 0.05
MANY = 500  # changed hosts: then all are read, which is one plain query
_MARKS = select(HOSTS.c.id, HOSTS.c.generation, HOSTS.c.state, HOSTS.c.heartbeat_at, HOSTS.c.updated_at)
_USED = HOSTS.c.used_vcpus, HOSTS.c.used_memory_mib, HOSTS.c.used_disk_gib
Mark = tuple[Any, ...]


class Roster:
    """Not for several threads. With `exact`, what is used is compared too, should a generation not tell."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, exact: bool = False):
        self.table = HostTable()
        self._database = database
        self._clock = clock
        self._query = _MARKS.add_columns(*_USED) if exact else _MARKS
        self._marks: dict[str, Mark] = {}
        self._next = 0.0

    def sync(self, at_once: bool = False) -> None:
        """Bring the table up to date, unless that was done a moment ago."""
        self.table.now = self._clock()
        begun = time.monotonic()
        if begun < self._next and not at_once:
            return
        with self._database.look() as connection:
            marks = {row[0]: tuple(row) for row in connection.execute(self._query)}
        looked = time.monotonic()
        for host_id in self._marks.keys() - marks.keys():
            self.table.drop(host_id)
        changed = [host_id for host_id, mark in marks.items() if self._marks.get(host_id) != mark]
        if changed:
            with self._database.ask() as session:
                self._read(session, changed if len(changed) <= MANY else ())
        # To read all hosts takes long, but is done once: who has just started must not be blind for the longest time.
        took = (time.monotonic() if self._marks else looked) - begun
        self._marks = marks
        self.table.generation = sum(mark[1] for mark in marks.values())
        self._next = time.monotonic() + max(LEAST_S, SHARE * took)

    def refresh(self, session: Session, host_ids: Collection[str]) -> None:
        """See these hosts as the session's transaction does; one that is gone is forgotten."""
        found = self._read(session, sorted(host_ids)) if host_ids else set()
        for host_id in set(host_ids) - found:
            self.table.drop(host_id)

    def claimed(self, claims: Mapping[str, int]) -> None:
        """So many claims on each host were committed, and the table has them: nothing to be read again."""
        for host_id, count in claims.items():
            mark = self._marks.get(host_id)
            if mark is not None:
                self._marks[host_id] = (mark[0], mark[1] + count, *mark[2:])

    def doubt(self) -> None:
        """Others were faster, and may have been elsewhere too: look at all hosts with the next `sync`."""
        self._next = 0.0

    def forget(self) -> None:
        """The table may be wrong: read everything at the next `sync`."""
        self._marks = {host_id: () for host_id in self._marks}
        self._next = 0.0

    def seat(self, row: int, request: Request, times: int = 1) -> None:
        """Count the vm on a row's host, or (-1) no more, ahead of the database."""
        self.table.claim(row, request, times)

    def _read(self, session: Session, host_ids: Collection[str]) -> set[str]:
        now = self._clock()
        hosts = load_inventory(session, now, only=list(host_ids)).hosts
        for host in hosts:
            self.table.put(host, now)
        return {host.id for host in hosts}
