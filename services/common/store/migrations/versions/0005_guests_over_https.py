# SPDX-License-Identifier: Apache-2.0
"""Tokens of guests that report over HTTPS, and what they said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "guest_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_guest_tokens")),
    )
    op.create_table(
        "guest_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.Column("message", Json, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_messages")),
    )
    with op.batch_alter_table("guest_messages", schema=None) as batch_op:
        batch_op.create_index("ix_guest_messages_vm_id", ["vm_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("guest_messages")
    op.drop_table("guest_tokens")
