# SPDX-License-Identifier: Apache-2.0
"""Policies that say for which vms they are stand beside the one that decides for everybody else."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("policies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("matched", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.alter_column("matched", server_default=None)
    with op.batch_alter_table("policy_activations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("beside", Json, nullable=False, server_default="[]"))
        batch_op.alter_column("beside", server_default=None)


def downgrade() -> None:
    """Take back."""
    op.drop_column("policy_activations", "beside")
    op.drop_column("policies", "matched")
