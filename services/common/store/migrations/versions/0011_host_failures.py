# SPDX-License-Identifier: Apache-2.0
"""How often steps failed on each host."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "host_failures",
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_host_failures_host_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host_id", name=op.f("pk_host_failures")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("host_failures")
