# SPDX-License-Identifier: Apache-2.0
"""What a vm has of its sizes until it is off, where it was given other ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pending", Json, nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.drop_column("pending")
