# SPDX-License-Identifier: Apache-2.0
"""What a conductor keeps at a real broker: everything that must be there, and nothing is done where it is."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kombu import Connection, Queue

from deploy.local.servers import RabbitMQ
from services.common.runtime.broker_admin import BrokerAdmin, host_user, rabbit_password_hash
from services.common.runtime.bus import Publisher, commands_queue, every_queue
from services.common.store.database import Database
from services.conductor import topology
from services.conductor.topology import Topology
from tests.support.inn import Inn
from tests.support.installations import SqliteInstallations

WRITTEN = Counter({"users": 1, "permissions": 1, "topic-permissions": 1})  # what there is of one host


class Noting(Publisher):
    """Notes what it declares; `broken` is a connection that the broker has closed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.declared: list[str] = []
        self.broken = False

    def declare(self, queue: Queue) -> None:
        self.declared.append(queue.name)
        if self.broken:
            self.close()
            self.broken = False
            raise ConnectionResetError("closed by the broker")
        super().declare(queue)


class House:
    """Two hosts and a conductor's topology, due whenever a test asks."""

    def __init__(self, rabbit: RabbitMQ, database: Database) -> None:
        self.inn = Inn(database)
        self.hosts = [self.inn.add_host(name, broker_password_hash=rabbit_password_hash(name)) for name in ("a", "b")]
        self.publisher = Noting(rabbit.url)
        admin = BrokerAdmin(rabbit.admin_url)
        admin._client.event_hooks["request"].append(self._note)
        self._topology = Topology(database, self.publisher, admin)
        self._written: Counter[str] = Counter()

    def _note(self, request: httpx.Request) -> None:
        if request.method != "GET":
            self._written[request.url.path.split("/")[2]] += 1

    def turn(self) -> tuple[list[str], Counter[str]]:
        """What one turn declared, and what it wrote of users."""
        self.publisher.declared.clear()
        self._written.clear()
        self._topology.keep()
        return self.publisher.declared, self._written


@pytest.fixture
def house(
    rabbit: RabbitMQ, sqlite_installations: SqliteInstallations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    for name in ("QUEUES_EVERY_S", "USERS_EVERY_S"):
        monkeypatch.setattr(topology, name, 0.0)
    monkeypatch.setattr(topology, "ALL_QUEUES_EVERY_S", 3600.0)
    database = Database(sqlite_installations.new(tmp_path))
    found = House(rabbit, database)
    yield found
    for host in found.hosts:
        found.publisher.drop_host(host)
    found.publisher.close()
    database.close()


def asked(rabbit: RabbitMQ, method: str, path: str, body: Any = None) -> Any:
    """What the broker's management API says."""
    url = f"{rabbit.admin_url}/api/{path}"
    answer = httpx.request(method, url, json=body, trust_env=False).raise_for_status()
    return answer.json() if answer.content else None


def test_what_is_as_it_must_be_is_left_alone(house: House) -> None:
    every = [queue.name for queue in every_queue(house.hosts)]
    declared, written = house.turn()
    assert declared == every
    assert written == Counter({key: 2 for key in WRITTEN})
    for _ in range(3):
        declared, written = house.turn()
        assert declared == every[:1], "one question, whether the broker is still there"
        assert not written
    new = house.inn.add_host("c", broker_password_hash=rabbit_password_hash("c"))
    house.hosts.append(new)
    assert house.turn() == ([every[0], commands_queue(new).name], WRITTEN)


def test_after_the_broker_hung_up_all_queues_are_declared_again(house: House) -> None:
    every = [queue.name for queue in every_queue(house.hosts)]
    house.turn()
    house.publisher.broken = True
    assert house.turn()[0] == every[:1]
    assert house.turn()[0] == every


def test_a_queue_that_somebody_deleted_comes_back(
    house: House, rabbit: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ALL_QUEUES_EVERY_S", 0.2)
    house.turn()
    queue = commands_queue(house.hosts[0])
    with Connection(rabbit.url) as connection:
        queue(connection.channel()).delete()
        time.sleep(0.2)
        house.turn()
        assert queue(connection.channel()).queue_declare(passive=True).queue == queue.name


def test_a_user_that_is_not_as_it_must_be_is_put_right(house: House, rabbit: RabbitMQ) -> None:
    house.turn()
    user = host_user(house.hosts[0])
    right = {what: asked(rabbit, "GET", what) for what in WRITTEN}
    for method, path, body, mended in (
        ("DELETE", f"users/{user}", None, WRITTEN),
        ("PUT", f"users/{user}", {"password": "another", "tags": ""}, Counter({"users": 1})),
        ("PUT", f"users/{user}", {"password": "another", "tags": "administrator"}, Counter({"users": 1})),
        ("DELETE", f"permissions/%2F/{user}", None, Counter({"permissions": 1})),
        ("PUT", f"permissions/%2F/{user}", {"configure": ".*", "write": ".*", "read": ".*"}, {"permissions": 1}),
        ("DELETE", f"topic-permissions/%2F/{user}", None, Counter({"topic-permissions": 1})),
    ):
        asked(rabbit, method, path, body)
        assert house.turn()[1] == mended, (method, path)
        for what, rows in right.items():
            key = "name" if what == "users" else "user"
            assert sorted(asked(rabbit, "GET", what), key=lambda row: row[key]) == sorted(
                rows, key=lambda row: row[key]
            )
