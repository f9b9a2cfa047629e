# SPDX-License-Identifier: Apache-2.0
"""The relay against a real broker and Redis: what it can't read doesn't hold up what it can; how often it looks."""

import threading
import time
from pathlib import Path

import pytest

from deploy.local.servers import RabbitMQ, Redis
from services.common.contracts.journal import Bell
from services.common.contracts.topics import COMMAND
from services.common.runtime.bus import Publisher
from services.common.runtime.dispatch import Dispatcher
from services.common.runtime.feed import Feed
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.models import Base
from services.conductor.relay import AWAY_S, LEFT_BEHIND_S, LOOK_S, Relay
from tests.support.stack import free_port


def test_a_row_nobody_can_read_is_dropped_and_those_behind_it_are_sent(
    tmp_path: Path, rabbit: RabbitMQ, redis_server: Redis
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'relay.db'}")
    Base.metadata.create_all(database.engine)
    old = time.time() - 2 * LEFT_BEHIND_S
    unreadable = {"id": 1, "kind": COMMAND, "target": "host.h1", "payload": {"no": "command"}, "created_at": old}
    behind = {**outbox.bell_row(Bell("worker", "worker.verify", "job-1")), "id": 2, "created_at": old}
    with database.write() as session:
        session.execute(outbox.ROWS, [unreadable, behind])
    publisher = Publisher(rabbit.url)
    relay = Relay(database, Dispatcher(publisher, tmp_path), Feed(redis_server.url), lambda: True)
    assert relay.drain() == 2
    assert relay.drain() == 0
    with database.read() as session:
        assert outbox.depth(session) == 0
    publisher.close()
    database.close()


class Noting(Relay):
    """Notes when it looks, and ends after so many looks."""

    def __init__(self, database: Database, feed: Feed, looks: int):
        super().__init__(database, Dispatcher(Publisher("amqp://nobody@127.0.0.1:1//"), Path()), feed, lambda: True)
        self.looked: list[float] = []
        self.stopping = threading.Event()
        self._looks = looks

    def drain(self) -> int:
        self.looked.append(time.monotonic())
        if len(self.looked) == self._looks:
            self.stopping.set()
        return super().drain()


@pytest.mark.parametrize("there", [True, False], ids=["redis", "no redis"])
def test_the_table_is_looked_at_more_often_while_redis_is_away(
    tmp_path: Path, redis_server: Redis, there: bool
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'relay.db'}")
    Base.metadata.create_all(database.engine)
    relay = Noting(database, Feed(redis_server.url if there else f"redis://127.0.0.1:{free_port()}/0"), looks=5)
    relay.run(relay.stopping)
    pauses = [after - before for before, after in zip(relay.looked, relay.looked[1:], strict=False)]
    assert min(pauses) > 0.8 * (LOOK_S if there else AWAY_S)
    assert there or min(pauses) < LOOK_S, "the others may have waited for the processor"
    database.close()
