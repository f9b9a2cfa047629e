# SPDX-License-Identifier: Apache-2.0
"""`python -m services.common.store.migrate`: bring the database to the present schema, then seed what must exist.

`... migrate wait` changes nothing: it ends with 0 as soon as somebody else has done both, and with 1 after ten minutes.

Several may run at once: PostgreSQL is guarded by an advisory lock, SQLite by its write lock. SIGTERM ends it, with 143.
"""

import os
import signal
import sys
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from services.common.store.database import Database, database_from_url
from services.common.store.drifts import DriftEntry
from services.common.store.hosts import Installation
from services.common.store.jobs import JobEvent
from services.common.store.seed import seed
from services.common.store.turns import forget_foreign

# Any constant will do, as long as all of us use the same.
LOCK = 0x1E27
WAIT_S, LOOK_EVERY_S = 600.0, 1.0


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
            if not database.is_sqlite:
                forget_foreign(connection, (JobEvent.__tablename__, DriftEntry.__tablename__))
                connection.commit()
        finally:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_unlock(:k)"), {"k": LOCK})
                connection.commit()
    with database.write() as session:
        seed(session)


def is_ready(database: Database) -> bool:
    """Whether the schema is ours or a later one (of a release that follows, during its roll-out), and seeded."""
    with database.engine.connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
        found = set(MigrationContext.configure(connection).get_current_heads())
        later = found - {revision.revision for revision in script.walk_revisions()}
        if not found or (found != set(script.get_heads()) and not later):
            return False
        return connection.execute(select(Installation.id)).first() is not None


def wait(database: Database, limit_s: float = WAIT_S) -> bool:
    """Wait until the schema is there; False when it isn't by then. A database that can't be reached is waited for."""
    end = time.monotonic() + limit_s
    while True:
        try:
            if is_ready(database):
                return True
            reason = "the schema isn't there yet"
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
        if time.monotonic() > end:
            sys.stderr.write(f"waited {limit_s:.0f} s: {reason}\n")
            return False
        time.sleep(LOOK_EVERY_S)


def main(arguments: list[str]) -> int:
    """Migrate the database of INNKEEPER_DATABASE_URL, or wait until another process has."""
    url = os.environ.get("INNKEEPER_DATABASE_URL")
    if not url or arguments not in ([], ["wait"]):
        sys.stderr.write("usage: INNKEEPER_DATABASE_URL=... python -m services.common.store.migrate [wait]\n")
        return 2
    database = database_from_url(url)
    if arguments:
        ready = wait(database)
        database.close()
        return 0 if ready else 1
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    upgrade(database)
    database.close()
    return 0


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    # In a container it is process 1, which the kernel spares what it has no handler for: a pod that waits would be
    # ended by SIGKILL only, after all the grace that its service has.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
