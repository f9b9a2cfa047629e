# SPDX-License-Identifier: Apache-2.0
"""Which vm a clone was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source_id", sa.String(36), nullable=True))
        batch_op.create_index("ix_vms_source_id", ["source_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("vms", schema=None) as batch_op:
        batch_op.drop_index("ix_vms_source_id")
        batch_op.drop_column("source_id")
