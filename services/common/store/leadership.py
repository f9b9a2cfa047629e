# SPDX-License-Identifier: Apache-2.0
"""Work that one process does at a time: a row that expires by the database's clock, taken by compare-and-swap.

Whoever holds a role stops before its row expires, and gives it back when it ends, so that the next one need not wait.
A lease only keeps two from doing the same: what its holder writes is right without it, too, or corrected soon after.
"""

import os
import socket
import threading
import time

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, Executable, Float, cast, func, literal_column, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from services.common.store.database import Database, log
from services.common.store.hosts import Leader

TTL_S = 4.0
SPARE_S = 0.5  # given up so long before it expires: what was begun at the last moment still falls within
LOOK_S = 0.2  # who hasn't got the role asks for it this often
LEADS = Gauge("innkeeper_leads", "1: this process has the role, 0: another one has it, or nobody", ["role"])


class Leadership:
    """Holds, or tries to take, one role; for any number of threads."""

    def __init__(self, database: Database, role: str):
        self.role = role
        self._database = database
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"
        self._take = _take(database.is_sqlite, role, self._owner)
        self._lock = threading.Lock()
        self._until = self._look_at = 0.0  # by the clock that also runs while we are stopped
        LEADS.labels(role).set(0)

    def held(self) -> bool:
        """Whether the role is ours right now; renews it when half its time is over. False where nobody can say."""
        with self._lock:
            now = time.monotonic()
            if now < self._until - TTL_S / 2:
                return True
            if now >= self._look_at:
                self._look_at = now + LOOK_S
                self._renew(now)
            ours = time.monotonic() < self._until
            LEADS.labels(self.role).set(int(ours))
            return ours

    def release(self) -> None:
        """Let another one have it at once; it may be taken again."""
        with self._lock:
            self._until = 0.0
            LEADS.labels(self.role).set(0)
            mine = (Leader.role == self.role) & (Leader.owner == self._owner)
            try:
                with self._database.write() as session:
                    session.execute(update(Leader).where(mine).values(until=0.0))
            except SQLAlchemyError as error:  # then it expires
                log.warning("role %s not given back: %s", self.role, type(error).__name__)

    def _renew(self, asked_at: float) -> None:
        # Counted from before the question: ours ends earlier than the row does, however long the answer took.
        try:
            self._until = asked_at + TTL_S - SPARE_S if self._taken() else 0.0
        except SQLAlchemyError as error:
            log.warning("role %s could not be looked at: %s", self.role, type(error).__name__)

    def _taken(self) -> bool:
        # One statement needs no transaction around it on PostgreSQL. On SQLite it takes the write lock by itself.
        with self._database.look() as connection:
            taken = connection.execute(self._take).first() is not None
            connection.commit()
            return taken


def _take(is_sqlite: bool, role: str, owner: str) -> Executable:
    """Take the role where it is ours or free: made once, it is said every other second."""
    made = sqlite if is_sqlite else postgresql
    now = _now(is_sqlite)
    ours = {"owner": owner, "until": now + TTL_S}
    put = made.insert(Leader).values(role=role, **ours)
    free = or_(Leader.owner == owner, Leader.until < now)
    taking = put.on_conflict_do_update(index_elements=[Leader.role], set_=ours, where=free)
    statement: Executable = taking.returning(Leader.role)
    return statement


def _now(is_sqlite: bool) -> ColumnElement[float]:
    """The database's own clock: those of several machines may differ by more than a role lasts."""
    if is_sqlite:
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return cast(func.extract("epoch", func.clock_timestamp()), Float)
