# SPDX-License-Identifier: Apache-2.0
"""What hypervisors' own programs in guests say of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "guest_tools",
        sa.Column("vm_id", sa.String(length=36), nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("due", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_guest_tools")),
    )
    op.create_index("ix_guest_tools_due", "guest_tools", ["due"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("guest_tools")
