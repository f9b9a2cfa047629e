# SPDX-License-Identifier: Apache-2.0
"""A decision keeps the hosts it is told by, as they were seen then."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seen", Json, nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_column("seen")
