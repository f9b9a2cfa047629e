# SPDX-License-Identifier: Apache-2.0
"""Waiting for a schema that another process makes."""

from pathlib import Path

from sqlalchemy import text

from services.common.store import migrate
from services.common.store.database import database_from_url


def test_a_database_is_ready_when_it_is_migrated_and_seeded_and_stays_so_for_a_later_schema(tmp_path: Path) -> None:
    database = database_from_url(f"sqlite:///{tmp_path}/wait.db")
    assert not migrate.wait(database, limit_s=0)
    migrate.upgrade(database)
    assert migrate.wait(database, limit_s=0)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of-a-release-to-come'"))
    assert migrate.is_ready(database)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not migrate.is_ready(database)
    database.close()
