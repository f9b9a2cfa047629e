# SPDX-License-Identifier: Apache-2.0
"""The events of a project as they were committed: what a reader has not seen yet, none left out and none twice.

Two transactions may commit in another order than they wrote in. What is new is therefore not "after the last one" but
what the reader's snapshot did not hold, and ours does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from services.common.store.database import Database
from services.common.store.drifts import SEQ, DriftEntry
from services.common.store.jobs import JobEvent
from services.common.store.turns import Place, Seen, snapshot

Found = tuple[Place, JobEvent | DriftEntry]
Key = tuple[ColumnElement[str], ColumnElement[int]]  # an event's source and seq
Wanted = Callable[[Any, Key], ColumnElement[bool]]  # which rows of a table


@dataclass(frozen=True)
class Page:
    """Events in the order of reading, each with what has been seen after it; and what has been after all of them."""

    events: list[tuple[Place, JobEvent | DriftEntry, Seen]]
    seen: Seen
    full: bool  # there may be more right now


class EventFeed:
    """The feed of one project."""

    def __init__(self, database: Database, project: str):
        self._database = database
        self._project = project

    def now(self) -> Seen:
        """Everything that there is."""
        with self._database.read() as session:
            return self._present(session)

    def after_time(self, place: tuple[float, str, int]) -> Seen:
        """All up to this time, source and seq: where only that is known, as of ids of earlier releases."""
        with self._database.read() as session:
            firsts = [session.scalar(self._first_since(table, key, place)) for table, key in _TABLES]
            turn = min((one for one in firsts if one is not None), default=None)
            return self._present(session) if turn is None else Seen(turn + 1, last=Place(turn, *place))

    def page(self, seen: Seen, limit: int) -> Page:
        """The next ones, at most so many."""
        with self._database.read() as session:
            if not self._database.is_sqlite:  # one snapshot for all that is asked
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            present = self._present(session)
            rest = self._rows(session, _rest(seen.last), limit) if seen.last else []
            fresh = self._rows(session, _fresh(seen, present), limit - len(rest)) if len(rest) < limit else []
        events, after = [], seen
        for place, row in [*rest, *fresh]:
            after = after.moved(place, present)
            events.append((place, row, after))
        full = len(events) == limit
        return Page(events, after if full else present, full)

    def _present(self, session: Session) -> Seen:
        if not self._database.is_sqlite:
            return snapshot(session)
        latest = [select(func.max(t.turn)).where(t.project_id == self._project) for t, _ in _TABLES]
        return Seen(max(session.scalar(one) or 0 for one in latest) + 1)

    def _rows(self, session: Session, wanted: Wanted, limit: int) -> list[Found]:
        found: list[Found] = []
        for table, key in _TABLES:
            query = select(table).where(table.project_id == self._project, wanted(table, key))
            rows = session.scalars(query.order_by(table.turn, table.at, *key).limit(limit))
            found += [(_place(row), row) for row in rows]
        return sorted(found, key=lambda one: one[0])[:limit]

    def _first_since(self, table: Any, key: Key, place: tuple[float, str, int]) -> Select[Any]:
        later = tuple_(table.at, *key) > place
        return select(func.min(table.turn)).where(table.project_id == self._project, later)


_TABLES: tuple[tuple[Any, Any], ...] = (
    (JobEvent, (JobEvent.job_id, JobEvent.seq)),
    (DriftEntry, (DriftEntry.id, literal(SEQ))),
)


def _place(row: JobEvent | DriftEntry) -> Place:
    if isinstance(row, JobEvent):
        return Place(row.turn, row.at, row.job_id, row.seq)
    return Place(row.turn, row.at, row.id, SEQ)


def _rest(last: Place) -> Wanted:
    """Of the turn that was read last, what comes after it."""
    place = (last.at, last.source, last.seq)
    return lambda table, key: and_(table.turn == last.turn, tuple_(table.at, *key) > place)


def _fresh(seen: Seen, present: Seen) -> Wanted:
    """What was not over then, and is now. The last condition lets the index begin where there can be anything."""
    first = min(seen.but, default=seen.before)

    def wanted(table: Any, _key: Key) -> ColumnElement[bool]:
        new = or_(table.turn >= seen.before, table.turn.in_(seen.but))
        return and_(new, table.turn >= first, table.turn < present.before)

    return wanted
