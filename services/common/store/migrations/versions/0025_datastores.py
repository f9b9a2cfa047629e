# SPDX-License-Identifier: Apache-2.0
"""Datastores: places for volumes that hosts have beside their own disks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "host_datastores",
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("size_gib", sa.Integer(), nullable=False),
        sa.Column("grows", sa.Boolean(), nullable=False),
        sa.Column("used_gib", sa.Integer(), nullable=False),
        sa.CheckConstraint("used_gib >= 0", name=op.f("ck_host_datastores_used_not_negative")),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_host_datastores_host_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host_id", "name", name=op.f("pk_host_datastores")),
    )
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.add_column(sa.Column("datastores", Json, nullable=False, server_default=sa.text("'{}'")))
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("datastore", sa.String(length=255), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.drop_column("datastore")
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.drop_column("datastores")
    op.drop_table("host_datastores")
