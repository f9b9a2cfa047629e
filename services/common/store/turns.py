# SPDX-License-Identifier: Apache-2.0
"""The turn of an event: which transaction wrote it, so that readers know what they have seen, whoever commits first.

On PostgreSQL it is the transaction's own number, which the database fills in: a snapshot says of every number whether
that transaction was over. On SQLite writers take turns, so the time will do.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, String, literal_column, select, text
from sqlalchemy.orm import Session

NUMBER = "pg_current_xact_id()::text::bigint"
# Numbers that this cluster hasn't reached are another one's: the rows were restored from a dump.
_FOREIGN = "turn >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True, order=True)
class Place:
    """Where an event stands among all of its project."""

    turn: int
    at: float
    source: str  # its job, or itself where it is of none
    seq: int


@dataclass(frozen=True)
class Seen:
    """What a reader has seen: all turns below `before` but those that were not over; of `last`'s turn up to it."""

    before: int
    but: frozenset[int] = frozenset()
    last: Place | None = None

    def moved(self, place: Place, present: "Seen") -> "Seen":
        """After the next event in the order of reading; `present` is what there was to be seen."""
        if self.last is not None and place.turn == self.last.turn:
            return Seen(self.before, self.but, place)
        earlier = {turn for turn in present.but if turn < place.turn}
        later = {turn for turn in self.but if turn > place.turn}
        return Seen(max(self.before, place.turn + 1), frozenset(earlier | later), place)


def numbered(session: Session) -> dict[str, int]:
    """The turn of what is written now, where the database doesn't fill it in by itself."""
    return {} if session.get_bind().dialect.name == "postgresql" else {"turn": time.time_ns() // 1000}


def snapshot(session: Session) -> Seen:
    """All that is visible to the session's transaction; PostgreSQL only."""
    told = session.scalars(select(literal_column("pg_current_snapshot()::text", String))).one()
    _, end, under_way = told.split(":")
    return Seen(int(end), frozenset(map(int, filter(None, under_way.split(",")))))


def forget_foreign(connection: Connection, tables: Iterable[str]) -> None:
    """After a restore from a dump the turns of what was restored mean nothing: it comes before all that follows."""
    for table in tables:
        connection.execute(text(f"UPDATE {table} SET turn = 0 WHERE {_FOREIGN}"))
