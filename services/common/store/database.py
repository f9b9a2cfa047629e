# SPDX-License-Identifier: Apache-2.0
"""The way in: read and write sessions on PostgreSQL or SQLite, and what is told after a commit.

Writers on SQLite begin IMMEDIATE, so that two of them queue instead of failing. What a transaction appended to
the journal or put into the outbox is announced once it is committed, never before.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from services.common.contracts.errors import TryAgain
from services.common.store.ended import Ended, count_ended
from services.common.store.json_text import loads

# Told after a commit: the events written (as sent to readers), and the rows put into the outbox.
Announce = Callable[[list[dict[str, Any]], list[dict[str, Any]]], None]

log = logging.getLogger(__name__)
T = TypeVar("T")
EVENTS, RANG = "events", "rang"
BUSY_MS = 15_000
LOOKERS = 8


def _silent(_events: list[dict[str, Any]], _rang: list[dict[str, Any]]) -> None:
    return None


def _nothing(_job: Ended) -> None:
    return None


class Database:
    """One database; make one per process and hand it down."""

    def __init__(self, url: str, announce: Announce = _silent, pool_size: int = 8):
        self.url = make_url(url)
        self.announce = announce
        self.ended: Callable[[Ended], object] = _nothing  # told of each job whose end was committed
        self.engine = _sqlite(url) if self.is_sqlite else _postgresql(url, pool_size)
        self._looking = self.engine if self.is_sqlite else _autocommitting(url)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state and writes nothing."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """For a single question: on PostgreSQL outside of any transaction, one round trip instead of three."""
        with self._looking.connect() as connection:
            yield connection

    @contextmanager
    def ask(self) -> Iterator[Session]:
        """As look, with a session: for questions that need not be answered as of one moment."""
        with Session(self._looking, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back by an exception."""
        with Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection(execution_options={"begin": "IMMEDIATE"})
            yield session
            session.commit()
            ended = count_ended(session)
            events, rang = session.info.get(EVENTS, []), session.info.get(RANG, [])
        for job in ended:
            self.ended(job)
        if events or rang:
            self.announce(events, rang)

    def answers(self) -> bool:
        """Whether a trivial query works."""
        try:
            with self.read() as session:
                session.connection().exec_driver_sql("SELECT 1")
        except OperationalError:
            return False
        return True

    def close(self) -> None:
        """Let every connection go."""
        self.engine.dispose()
        self._looking.dispose()


def database_from_url(url: str, announce: Announce = _silent) -> Database:
    """The database of a URL; `postgresql://` speaks through psycopg 3."""
    return Database(url, announce)


def _postgresql(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        _psycopg(url),
        pool_size=pool_size,
        max_overflow=56,
        pool_pre_ping=False,
        pool_recycle=600,
        pool_use_lifo=True,
        json_deserializer=loads,
    )
    return _by_index(engine)


def _autocommitting(url: str) -> Engine:
    """A few connections that are never in a transaction; questions are short, so many threads can take turns."""
    engine = create_engine(
        _psycopg(url),
        pool_size=LOOKERS,
        max_overflow=0,
        pool_recycle=600,
        pool_use_lifo=True,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        json_deserializer=loads,
    )
    return _by_index(engine)


def _by_index(engine: Engine) -> Engine:
    """Tell each connection that what it looks for lies in memory.

    By its default PostgreSQL believes in disks that turn, and reads the whole of a table that grew since it was last
    analysed where a few rows by their keys are asked for.
    """

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute("SET random_page_cost = 1.1")
        connection.commit()

    return engine


def _psycopg(url: str) -> URL:
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False}, json_deserializer=loads
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def retried(action: Callable[[], T], tries: int = 4) -> T:
    """Do a whole transaction again when the database was busy or away; raises TryAgain in the end."""
    for attempt in range(tries - 1):
        try:
            return action()
        except OperationalError as error:
            # Deadlocks and serialisation failures are among these; PostgreSQL has rolled the transaction back.
            log.info("transaction tried again: %s", type(error.orig).__name__)
            time.sleep(0.05 * 2**attempt)
    try:
        return action()
    except OperationalError as error:
        raise TryAgain(f"the database does not answer: {type(error.orig).__name__}") from error
