# SPDX-License-Identifier: Apache-2.0
"""Media larger than 2 GiB; when one was last used, whether it may be collected, and when it was."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("media") as table:
        table.alter_column("size", type_=sa.BigInteger(), existing_type=sa.Integer(), existing_nullable=True)
        table.add_column(sa.Column("protect", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("last_used_at", sa.Double(), nullable=True))
        table.add_column(sa.Column("collected_at", sa.Double(), nullable=True))
    with op.batch_alter_table("media") as table:
        table.alter_column("protect", server_default=None, existing_type=sa.Boolean(), existing_nullable=False)


def downgrade() -> None:
    """Take back; a medium larger than 2 GiB must be deleted first."""
    with op.batch_alter_table("media") as table:
        table.drop_column("collected_at")
        table.drop_column("last_used_at")
        table.drop_column("protect")
        table.alter_column("size", type_=sa.Integer(), existing_type=sa.BigInteger(), existing_nullable=True)
