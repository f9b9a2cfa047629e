# SPDX-License-Identifier: Apache-2.0
"""Failures of hosts fade by several half-lives, of which a policy chooses one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("host_failures", schema=None) as batch_op:
        batch_op.add_column(sa.Column("others", Json, nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("host_failures", schema=None) as batch_op:
        batch_op.drop_column("others")
