# SPDX-License-Identifier: Apache-2.0
"""Both databases with the real schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.store.database import Database, database_from_url


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty installation: schema and seed only."""
    database = database_from_url(request.getfixturevalue(f"{request.param}_installations").new(tmp_path))
    yield database
    database.close()
