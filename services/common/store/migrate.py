# SPDX-License-Identifier: Apache-2.0
"""`python -m services.common.store.migrate`: bring the database to the present schema, then seed what must exist.

Several may run at once: PostgreSQL is guarded by an advisory lock, SQLite by its write lock.
"""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from services.common.store.database import Database, database_from_url
from services.common.store.seed import seed

# Any constant will do, as long as all of us use the same.
LOCK = 0x1E27


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration around an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> None:
    """Migrate to the newest schema and seed; nothing happens where both are done."""
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_lock(:k)"), {"k": LOCK})
            connection.commit()
        try:
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
        finally:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_unlock(:k)"), {"k": LOCK})
                connection.commit()
    with database.write() as session:
        seed(session)


def main() -> int:
    """Migrate the database of INNKEEPER_DATABASE_URL."""
    url = os.environ.get("INNKEEPER_DATABASE_URL")
    if not url:
        sys.stderr.write("INNKEEPER_DATABASE_URL is not set\n")
        return 2
    database = database_from_url(url)
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    upgrade(database)
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
