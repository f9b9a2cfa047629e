# SPDX-License-Identifier: Apache-2.0
"""Roles that one process has at a time, the same on both databases."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from services.common.store import leadership
from services.common.store.database import Database
from services.common.store.hosts import Leader
from services.common.store.leadership import LEADS, Leadership
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "TTL_S", 0.8)
    monkeypatch.setattr(leadership, "SPARE_S", 0.2)
    monkeypatch.setattr(leadership, "LOOK_S", 0.0)


def test_of_many_who_ask_at_once_one_has_the_role(database: Database) -> None:
    asked = [Leadership(database, "sweeper") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(Leadership.held, asked)) == [False] * 7 + [True]


def test_a_role_that_is_given_back_is_free_at_once_and_one_whose_holder_died_when_it_expires(
    database: Database,
) -> None:
    first, second = Leadership(database, "sweeper"), Leadership(database, "sweeper")
    assert first.held()
    assert not second.held()
    first.release()
    assert LEADS.labels("sweeper")._value.get() == 0
    assert second.held()
    assert not first.held()
    # From here on the second one is silent, as if it had been killed.
    begun = time.monotonic()
    until(first.held, 5, "the role", pause=0.02)
    assert time.monotonic() - begun > leadership.TTL_S / 2
    assert LEADS.labels("sweeper")._value.get() == 1


def test_who_was_stopped_for_longer_than_the_role_lasts_has_lost_it_before_it_asks_anybody(database: Database) -> None:
    first, second = Leadership(database, "sweeper"), Leadership(database, "sweeper")
    assert first.held()
    assert not second.held()
    until(second.held, 5, "the role", pause=0.02)
    assert not first.held()
    second.release()
    assert first.held()


def test_a_role_is_ours_for_less_time_than_its_row_says(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, begun = Leadership(database, "sweeper"), time.monotonic()
    assert ours.held()

    def away(_: Leadership) -> bool:
        raise OperationalError("select", {}, Exception("the database is away"))

    monkeypatch.setattr(Leadership, "_taken", away)
    until(lambda: not ours.held(), 5, "given up", pause=0.01)
    assert time.monotonic() - begun < leadership.TTL_S
    with database.read() as session:
        assert session.scalars(select(Leader.owner)).all(), "the row is still there: nobody else had it meanwhile"


def test_it_is_the_database_s_clock_that_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Leadership(database, "sweeper"), Leadership(database, "sweeper")
    assert first.held()
    monkeypatch.setattr(time, "time", lambda: 4e9)  # this process's own clock is years ahead
    assert not second.held()
    with database.write() as session:
        session.execute(update(Leader).values(until=Leader.until - 1.0))
    assert second.held()
