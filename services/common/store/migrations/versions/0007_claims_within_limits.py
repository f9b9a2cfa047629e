# SPDX-License-Identifier: Apache-2.0
"""Limits of claims that the database checks; labels on claims; groups whose vms are kept apart."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
RESOURCES = ("vcpus", "memory_mib", "disk_gib")


def upgrade() -> None:
    """Apply."""
    for name in RESOURCES:
        # Both databases take a column's check in this form; SQLite would have to copy the table, which claims refer to.
        check = f"CONSTRAINT ck_hosts_{name}_within_limit CHECK (used_{name} <= limit_{name})"
        op.execute(f"ALTER TABLE hosts ADD COLUMN limit_{name} INTEGER {check}")
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.add_column(sa.Column("labels", Json, nullable=False, server_default=sa.text("'{}'")))
    op.create_table(
        "claim_groups",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["vm_id"], ["claims.vm_id"], name=op.f("fk_claim_groups_vm_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("name", "place", name=op.f("pk_claim_groups")),
    )
    with op.batch_alter_table("claim_groups", schema=None) as batch_op:
        batch_op.create_index("ix_claim_groups_vm_id", ["vm_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("claim_groups")
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.drop_column("labels")
    for name in RESOURCES:
        op.execute(f"ALTER TABLE hosts DROP COLUMN limit_{name}")
