# SPDX-License-Identifier: Apache-2.0
"""A migrated database of each kind: the same suite runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.common.store.database import Database
from services.common.store.migrate import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'innkeeper.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database(f"t{uuid4().hex[:12]}")
    found = Database(url)
    upgrade(found)
    yield found
    found.close()
