# SPDX-License-Identifier: Apache-2.0
"""What is kept of a medium has a sha256 of its own: of an OVA it is the disk that was in it."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kept", sa.String(length=64), nullable=False, server_default=""))
    op.execute("UPDATE media SET kept = lower(sha256) WHERE state = 'available'")
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.alter_column("kept", server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.drop_column("kept")
