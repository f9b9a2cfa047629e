# SPDX-License-Identifier: Apache-2.0
"""Vms that came to be other than they were asked to be, and the journal of that."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("drift", Json, nullable=True))
    op.create_table(
        "drift_entries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_entries")),
    )
    with op.batch_alter_table("drift_entries", schema=None) as batch_op:
        batch_op.create_index("ix_drift_entries_project_id_at", ["project_id", "at"], unique=False)
        batch_op.create_index("ix_drift_entries_vm_id_at", ["vm_id", "at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("drift_entries")
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.drop_column("drift")
