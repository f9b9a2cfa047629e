# SPDX-License-Identifier: Apache-2.0
"""How long a policy's decisions are kept, and what finds the old ones."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("policies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("keep_s", sa.Double(), nullable=False, server_default="2592000"))
        batch_op.alter_column("keep_s", server_default=None)
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_vm_id", ["vm_id"], unique=False)
        batch_op.create_index("ix_decisions_policy_sha_created_at", ["policy_sha", "created_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_decisions_policy_sha_created_at", "decisions")
    op.drop_index("ix_decisions_vm_id", "decisions")
    op.drop_column("policies", "keep_s")
