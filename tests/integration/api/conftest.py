# SPDX-License-Identifier: Apache-2.0
"""One installation per module and database, with a real Redis: every test makes the users and projects it changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.local.servers import Redis
from tests.support.front_door import Api, open_api


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    url: str = request.getfixturevalue(f"{request.param}_installations").new(tmp_path_factory.mktemp("db"))
    return url


@pytest.fixture(scope="module")
def api(database_url: str, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()  # counted sign-ins
    directory: Path = tmp_path_factory.mktemp("api")
    found = open_api(directory, database_url, redis_server.url)
    yield found
    found.database.close()
