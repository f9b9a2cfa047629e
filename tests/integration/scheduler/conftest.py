# SPDX-License-Identifier: Apache-2.0
"""Both databases with the real schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.store.database import Database, database_from_url
from services.common.store.migrate import upgrade


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
