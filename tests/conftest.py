# SPDX-License-Identifier: Apache-2.0
"""Real servers, each started by the first test that asks for it and ended with its scope."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.local.servers import Postgres, RabbitMQ, Redis
from tests.support.installations import PostgresInstallations, SqliteInstallations
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory

# A property is right or wrong, however busy the machine is: time is measured in benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_report_header() -> str:
    """The seed of the random wishes, so that a failure can be had again."""
    return f"INNKEEPER_TEST_SEED={os.environ.get('INNKEEPER_TEST_SEED', '1')}"


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short path: sockets in it stay within 107 bytes."""
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One cluster for all; who asks makes a database of its own."""
    server = Postgres(tmp_path_factory.mktemp("pg"), durable=False)
    with servers_needed():
        server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def sqlite_installations(tmp_path_factory: pytest.TempPathFactory) -> SqliteInstallations:
    """Empty installations on SQLite."""
    return SqliteInstallations(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_installations(postgres: Postgres) -> PostgresInstallations:
    """Empty installations on PostgreSQL."""
    return PostgresInstallations(postgres)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One Redis for all, not emptied between tests."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    with servers_needed():
        server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitMQ]:
    """A broker for a module: its tests may end, wipe and start it again."""
    with short_directory() as directory:
        server = RabbitMQ(directory)
        with servers_needed():
            server.start()
        yield server
        server.kill()
