# SPDX-License-Identifier: Apache-2.0
"""Work that one conductor does at a time: given back at the end, laid down when somebody else has it."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update

from services.common.store import leadership
from services.common.store.database import Database
from services.common.store.hosts import Leader
from services.common.store.leadership import Leadership
from services.common.store.models import Base
from services.conductor import duties
from services.conductor.duties import Duties
from tests.support.waiting import until


class Turns:
    """Instead of an Event and of the clock: only waits take time, and it ends after so many of them."""

    def __init__(self, turns: int) -> None:
        self.pauses: list[float] = []
        self._turns = turns

    def monotonic(self) -> float:
        return 1000.0 + sum(self.pauses)

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.is_set()

    def is_set(self) -> bool:
        return len(self.pauses) > self._turns


class One:
    """A conductor that notes what it does, in a thread of its own."""

    def __init__(self, database: Database) -> None:
        self.done: list[str] = []
        self._stopping = threading.Event()
        table = [
            (0.0, lambda: self.done.append("worked")),
            (0.0, self._fails),
            (9.0, lambda: self.done.append("seldom")),
        ]
        working = Duties(Leadership(database, "sweeper"), table, lost=lambda: self.done.append("lost"))
        self._thread = threading.Thread(target=working.run, args=(self._stopping,), daemon=True)
        self._thread.start()

    def _fails(self) -> None:
        raise OSError("the disk is full")

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'duties.db'}")
    Base.metadata.create_all(found.engine)
    yield found
    found.close()


def test_another_conductor_goes_on_as_soon_as_one_has_ended(database: Database) -> None:
    first = One(database)
    until(lambda: first.done.count("worked") > 1, 10, "work")
    second = One(database)
    first.stop()
    until(
        lambda: "seldom" in second.done, leadership.TTL_S / 2, "the other one's work, long before the role would expire"
    )
    second.stop()
    assert first.done.count("seldom") == second.done.count("seldom") == 1  # what failed before it didn't stop it
    assert "lost" not in first.done + second.done


@pytest.mark.parametrize(
    "intervals, longest",
    [
        ((0.25, 0.0, 9.0), 0.25),  # what has no interval of its own wakes nobody
        ((5.0, 9.0), duties.LONGEST_S),
        ((0.0,), duties.TICK_S),
        ((0.001, 5.0), duties.TICK_S),
    ],
)
def test_a_conductor_sleeps_until_there_is_something_to_do(
    database: Database, intervals: tuple[float, ...], longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, done = Turns(4), list[float]()
    monkeypatch.setattr(duties, "time", turns)
    table = [(every_s, partial(done.append, every_s)) for every_s in intervals]
    Duties(Leadership(database, "sweeper"), table).run(cast(Any, turns))
    assert turns.pauses == [duties.TICK_S, *[pytest.approx(longest)] * 4]
    assert [done.count(every_s) for every_s in intervals if every_s > 1] == [1 for s in intervals if s > 1]
    assert [done.count(every_s) for every_s in intervals if every_s == 0] == [4 for s in intervals if s == 0]


def test_who_has_not_the_role_asks_for_it_often(database: Database) -> None:
    assert Leadership(database, "sweeper").held()
    turns, done = Turns(3), list[int]()
    Duties(Leadership(database, "sweeper"), [(5.0, lambda: done.append(1))]).run(cast(Any, turns))
    assert (turns.pauses, done) == ([duties.TICK_S] * 4, [])


def test_who_has_lost_its_role_is_told_once_and_does_nothing_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "TTL_S", 0.8)
    monkeypatch.setattr(leadership, "SPARE_S", 0.2)
    one = One(database)
    until(lambda: one.done, 10, "work")
    with database.write() as session:
        session.execute(update(Leader).values(owner="another", until=4e9))
    until(lambda: "lost" in one.done, 10, "the loss")
    done = len(one.done)
    one.stop()
    assert one.done[done:] == []
