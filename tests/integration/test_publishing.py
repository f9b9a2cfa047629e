# SPDX-License-Identifier: Apache-2.0
"""Publishing against a real broker: what is told as confirmed is in its queue, and one bad row is its own affair."""

from pathlib import Path

import pytest
from kombu import Connection

from deploy.local.servers import RabbitMQ
from services.common.contracts.journal import Bell
from services.common.contracts.topics import COMMAND
from services.common.runtime.bus import BROKER_AWAY, Publisher
from services.common.runtime.celery_app import job_queue
from services.common.runtime.dispatch import Dispatcher
from services.common.store import outbox

QUEUE = "imagebuilder"


def waiting(rabbit: RabbitMQ) -> list[str]:
    """The jobs of the bells that lie in the queue, which are taken out."""
    with Connection(rabbit.url) as connection:
        found, queue = [], job_queue(QUEUE)(connection.channel())
        queue.declare()
        while (message := queue.get(no_ack=True)) is not None:
            found.append(message.payload[0][0])
        return found


def test_many_rows_are_sent_in_one_go_and_each_is_confirmed(tmp_path: Path, rabbit: RabbitMQ) -> None:
    publisher = Publisher(rabbit.url)
    waiting(rabbit)
    rows = [outbox.bell_row(Bell(QUEUE, "imagebuilder.build", f"j{n}")) for n in range(300)]
    unreadable = {"id": 1, "kind": COMMAND, "target": "host.h1", "payload": {"no": "command"}}
    confirmed = Dispatcher(publisher, tmp_path).send_all([rows[0], unreadable, *rows[1:]])
    publisher.close()
    assert sorted(confirmed) == sorted(row["id"] for row in rows)
    assert waiting(rabbit) == [f"j{n}" for n in range(300)]


def test_what_was_posted_before_the_connection_broke_is_not_confirmed(tmp_path: Path, rabbit: RabbitMQ) -> None:
    publisher, had = Publisher(rabbit.url), []
    publisher.post_bell(QUEUE, "imagebuilder.build", "lost", lambda: had.append("lost"))
    publisher.close()
    publisher.ring(QUEUE, "imagebuilder.build", "kept")
    publisher.close()
    assert had == []
    assert "kept" in waiting(rabbit)


def test_a_broker_that_is_away_confirms_nothing(tmp_path: Path) -> None:
    publisher = Publisher("amqp://guest:guest@127.0.0.1:1//")
    rows = [outbox.bell_row(Bell(QUEUE, "imagebuilder.build", "j"))]
    assert Dispatcher(publisher, tmp_path).send_all(rows) == []
    with pytest.raises(BROKER_AWAY):
        publisher.ring(QUEUE, "imagebuilder.build", "j")
