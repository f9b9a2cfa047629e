# SPDX-License-Identifier: Apache-2.0
"""Ranges and reservations of networks, their VLAN tag, and whether guests are held to their own addresses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ranges", Json, nullable=False, server_default=sa.text("'[]'")))
        batch_op.add_column(sa.Column("reservations", Json, nullable=False, server_default=sa.text("'[]'")))
        batch_op.add_column(sa.Column("vlan", sa.Integer(), nullable=False, server_default=sa.text("0")))
        batch_op.add_column(sa.Column("anti_spoof", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("networks", schema=None) as batch_op:
        batch_op.drop_column("anti_spoof")
        batch_op.drop_column("vlan")
        batch_op.drop_column("reservations")
        batch_op.drop_column("ranges")
