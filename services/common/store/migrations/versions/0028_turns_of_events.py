# SPDX-License-Identifier: Apache-2.0
"""Each event has the number of the transaction that wrote it: a project's feed is read as it was committed."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
TABLES = ("job_events", "drift_entries")


def upgrade() -> None:
    """Apply. PostgreSQL writes no row anew: all that are there get the number of this transaction."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    number = sa.text("(pg_current_xact_id()::text::bigint)" if on_postgresql else "0")
    for table in TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("turn", sa.BigInteger(), nullable=False, server_default=number))
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(f"ix_{table}_project_id_turn", ["project_id", "turn"], unique=False)
            batch_op.drop_index(f"ix_{table}_project_id_at")


def downgrade() -> None:
    """Take back."""
    for table in TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(f"ix_{table}_project_id_at", ["project_id", "at"], unique=False)
            batch_op.drop_index(f"ix_{table}_project_id_turn")
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("turn")
