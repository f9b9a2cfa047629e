# SPDX-License-Identifier: Apache-2.0
"""Both databases with the real schema, and a Redis: a missing server fails in CI and skips, saying so, elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.servers import Postgres, Redis, Server, ServerError
from services.common.store.database import Database, database_from_url
from services.common.store.migrate import upgrade


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


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty installation: schema and seed only."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/innkeeper.db"
    else:
        url = request.getfixturevalue("postgres").create_database("scheduler")
    database = database_from_url(url)
    upgrade(database)
    yield database
    database.close()
