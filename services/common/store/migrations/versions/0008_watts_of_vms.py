# SPDX-License-Identifier: Apache-2.0
"""How busy each vm keeps its host, what a host's energy costs, and in which rack it is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")
revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("price_kwh", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("rack", sa.String(length=64), nullable=False, server_default=""))
    op.create_table(
        "vm_loads",
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("cores", Json, nullable=False),
        sa.PrimaryKeyConstraint("host_id", name=op.f("pk_vm_loads")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("vm_loads")
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("rack")
        batch_op.drop_column("price_kwh")
