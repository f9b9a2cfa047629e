# SPDX-License-Identifier: Apache-2.0
"""Whether a clone still reads the disk of its source."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("linked", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.drop_column("linked")
