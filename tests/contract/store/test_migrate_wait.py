# SPDX-License-Identifier: Apache-2.0
"""Waiting for a schema that another process makes."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from services.common.store import migrate
from services.common.store.database import database_from_url
from tests.support.waiting import until


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


def test_whoever_waits_ends_by_itself_when_asked_to(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.common.store.migrate", "wait"]
    env = {**os.environ, "INNKEEPER_DATABASE_URL": f"sqlite:///{tmp_path}/never.db"}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as waiting:
        try:
            until((tmp_path / "never.db").exists, 20, "the first look", pause=0.05)
            waiting.terminate()
            assert waiting.wait(10) == 143  # -15 would be the kernel's doing, which process 1 is spared
        finally:
            waiting.kill()
