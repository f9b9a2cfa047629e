# SPDX-License-Identifier: Apache-2.0
"""A volume that is made together with its vm is on no host until the vm is."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.alter_column("host_id", existing_type=sa.String(length=36), nullable=True)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM volumes WHERE host_id IS NULL")
    with op.batch_alter_table("volumes", schema=None) as batch_op:
        batch_op.alter_column("host_id", existing_type=sa.String(length=36), nullable=False)
