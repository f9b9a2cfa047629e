# SPDX-License-Identifier: Apache-2.0
"""Work that one conductor does at a time: given back at the end, laid down when somebody else has it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from services.common.store import leadership
from services.common.store.database import Database
from services.common.store.hosts import Leader
from services.common.store.leadership import Leadership
from services.common.store.models import Base
from services.conductor.duties import Duties
from tests.support.waiting import until


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
        duties = Duties(Leadership(database, "sweeper"), table, lost=lambda: self.done.append("lost"))
        self._thread = threading.Thread(target=duties.run, args=(self._stopping,), daemon=True)
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
