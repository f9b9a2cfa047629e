# SPDX-License-Identifier: Apache-2.0
"""The relay against a real broker and Redis: what it can't read doesn't hold up what it can."""

import time
from pathlib import Path

from deploy.local.servers import RabbitMQ, Redis
from services.common.contracts.journal import Bell
from services.common.contracts.topics import COMMAND
from services.common.runtime.bus import Publisher
from services.common.runtime.dispatch import Dispatcher
from services.common.runtime.feed import Feed
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.models import Base
from services.conductor.relay import LEFT_BEHIND_S, Relay


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
