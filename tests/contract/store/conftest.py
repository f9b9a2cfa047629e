# SPDX-License-Identifier: Apache-2.0
"""A migrated database of each kind: the same suite runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.store.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    found = Database(request.getfixturevalue(f"{request.param}_installations").new(tmp_path))
    yield found
    found.close()
