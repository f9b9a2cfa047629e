# SPDX-License-Identifier: Apache-2.0
"""The hosts of the database as a table that one thread decides on, kept up with what others change.

A view that is a moment old does no harm: a claim is compared and swapped, and who finds no host looks again first.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.common.contracts.placement import Request
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.tables import one_of, table_of
from services.scheduler.engine.table import HostTable
from services.scheduler.inventory import load_inventory

HOSTS = table_of(Host)
# Looking for changes shall take a twentieth of the time at most, however many hosts there are.
SHARE = 20
LEAST_S = 0.05  # until all were looked at again
PART = 128  # hosts looked at in one go: who waits for a place isn't kept waiting by ten thousand of them
MANY = 500  # changed hosts: then all are read, which is one plain query
_MARKS = select(HOSTS.c.id, HOSTS.c.generation, HOSTS.c.state, HOSTS.c.heartbeat_at, HOSTS.c.updated_at)
_USED = HOSTS.c.used_vcpus, HOSTS.c.used_memory_mib, HOSTS.c.used_disk_gib
_NEWEST = select(func.count(), func.max(HOSTS.c.created_at)).select_from(HOSTS)
Mark = tuple[Any, ...]  # id, generation, and what else tells that a host isn't as it was; (): it is to be read


class Roster:
    """Not for several threads. With `exact`, what is used is compared too, should a generation not tell."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time, exact: bool = False):
        self.table = HostTable()
        self._database = database
        self._clock = clock
        self._query = _MARKS.add_columns(*_USED) if exact else _MARKS
        self._query_part = self._query.where(one_of(HOSTS.c.id, database.url.get_backend_name()))
        self._marks: dict[str, Mark] = {}
        self._newest: tuple[Any, ...] = ()  # how many hosts there were, and when the last of them came
        self._parts: list[list[str]] = []  # of the hosts, still to be looked at in this round
        self._generation = 0  # of all hosts together
        self._doubted = True
        self._next = 0.0

    def sync(self, at_once: bool = False) -> None:
        """Bring the table up to date: all of it `at_once`, else part by part, and not more often than it is worth."""
        self.table.now = self._clock()
        begun = time.monotonic()
        if begun < self._next and not at_once:
            return
        first = not self._marks
        with self._database.ask() as session:
            looked = self._look(session, None if at_once or self._doubted else self._part(session))
        # To read all hosts takes long, but is done once: who has just started must not be blind for the longest time.
        took = (looked if first else time.monotonic()) - begun
        self._next = time.monotonic() + max(LEAST_S * min(1.0, PART / max(1, len(self._marks))), SHARE * took)

    def _part(self, session: Session) -> list[str] | None:
        """The next hosts to look at; None (all) where others came since the last round."""
        if not self._parts:
            if not self._marks or tuple(session.execute(_NEWEST).one()) != self._newest:
                return None
            known = list(self._marks)
            self._parts = [known[n : n + PART] for n in range(0, len(known), PART)]
        return self._parts.pop()

    def _look(self, session: Session, part: Sequence[str] | None) -> float:
        """Read these hosts, or all, where they changed; the time when it was known which did."""
        if part is None:
            self._newest, self._parts, self._doubted = tuple(session.execute(_NEWEST).one()), [], False
        query = self._query if part is None else self._query_part
        marks: dict[str, Mark] = {
            row[0]: tuple(row) for row in session.execute(query, {"ids": part} if part else {}).all()
        }
        looked = time.monotonic()
        before = self._marks if part is None else {host_id: self._marks[host_id] for host_id in part}
        changed = [host_id for host_id, mark in marks.items() if before.get(host_id) != mark]
        if changed:
            self._read(session, () if part is None and len(changed) > MANY else changed)
        for host_id in before.keys() - marks.keys():
            self.table.drop(host_id)
            del self._marks[host_id]
        self._marks |= marks
        self._generation = 0 if part is None else self._generation - _generations(before)
        self._generation += _generations(marks)
        self.table.generation = self._generation
        return looked

    def refresh(self, session: Session, host_ids: Collection[str]) -> None:
        """See these hosts as the session's transaction does; one that is gone is forgotten."""
        found = self._read(session, sorted(host_ids)) if host_ids else set()
        for host_id in set(host_ids) - found:
            self.table.drop(host_id)

    def claimed(self, claims: Mapping[str, int]) -> None:
        """So many claims on each host were committed, and the table has them: nothing to be read again."""
        for host_id, count in claims.items():
            mark = self._marks.get(host_id)
            if mark:
                self._generation += count
                self._marks[host_id] = (mark[0], mark[1] + count, *mark[2:])

    def doubt(self) -> None:
        """Others were faster, and may have been elsewhere too: look at all hosts with the next `sync`."""
        self._doubted, self._next = True, 0.0

    def forget(self) -> None:
        """The table may be wrong: read everything at the next `sync`."""
        self._marks = dict.fromkeys(self._marks, ())
        self.doubt()

    def seat(self, row: int, request: Request, times: int = 1) -> None:
        """Count the vm on a row's host, or (-1) no more, ahead of the database."""
        self.table.claim(row, request, times)

    def _read(self, session: Session, host_ids: Collection[str]) -> set[str]:
        now = self._clock()
        hosts = load_inventory(session, now, only=list(host_ids)).hosts
        for host in hosts:
            self.table.put(host, now)
        return {host.id for host in hosts}


def _generations(marks: Mapping[str, Mark]) -> int:
    return sum(mark[1] for mark in marks.values() if mark)
