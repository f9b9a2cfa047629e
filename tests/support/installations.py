# SPDX-License-Identifier: Apache-2.0
"""An empty installation's database, migrated and seeded: made once, and copied for every test that wants one."""

import shutil
from pathlib import Path
from uuid import uuid4

from deploy.local.servers import Postgres
from services.common.store.database import Database
from services.common.store.migrate import upgrade

TEMPLATE = "empty_installation"


class SqliteInstallations:
    """Copies of one file."""

    def __init__(self, directory: Path):
        self._file = directory / "innkeeper.db"
        migrated(f"sqlite:///{self._file}")

    def new(self, directory: Path) -> str:
        """The URL of one of its own in `directory`."""
        return f"sqlite:///{shutil.copy(self._file, directory / self._file.name)}"


class PostgresInstallations:
    """Copies of one database of a cluster."""

    def __init__(self, cluster: Postgres):
        self._cluster = cluster
        migrated(cluster.create_database(TEMPLATE))

    def new(self, _directory: Path) -> str:
        """The URL of one of its own."""
        return self._cluster.create_database(f"t{uuid4().hex}", TEMPLATE)


def migrated(url: str) -> None:
    """Bring the database to the present schema, and leave nobody connected."""
    database = Database(url)
    upgrade(database)
    database.close()
