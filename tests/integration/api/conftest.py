# SPDX-License-Identifier: Apache-2.0
"""One installation per module and database, with a real Redis: every test makes the users and projects it changes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.local.servers import Postgres, Redis, Server, ServerError
from services.common.contracts.ids import new_id
from tests.support.front_door import Api, open_api


def start(server: Server) -> Server:
    """Start it, or say why the test can't be run."""
    try:
        return server.start()
    except ServerError as error:
        if "isn't installed" in str(error) and not os.environ.get("CI"):
            pytest.skip(f"MISSING: {error}")
        raise


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("pg"), durable=False)
    start(server)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    start(server)
    yield server
    server.kill()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('db') / 'innkeeper.db'}"
    url: str = request.getfixturevalue("postgres").create_database(f"t{new_id().replace('-', '')}")
    return url


@pytest.fixture(scope="module")
def api(database_url: str, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()  # counted sign-ins
    directory: Path = tmp_path_factory.mktemp("api")
    found = open_api(directory, database_url, redis_server.url)
    yield found
    found.database.close()
