# SPDX-License-Identifier: Apache-2.0
"""Moves that were handed out to be carried out, so that an hour has no more than its budget."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "taken_moves",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("target_id", sa.String(length=36), nullable=False),
        sa.Column("by", sa.String(length=36), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taken_moves")),
    )
    op.create_index("ix_taken_moves_at", "taken_moves", ["at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_taken_moves_at", table_name="taken_moves")
    op.drop_table("taken_moves")
