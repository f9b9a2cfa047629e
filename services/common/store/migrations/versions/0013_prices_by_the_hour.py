# SPDX-License-Identifier: Apache-2.0
"""A host's energy may have a price for each hour of the day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tariff", Json, nullable=False, server_default=sa.text("'{}'")))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("tariff")
