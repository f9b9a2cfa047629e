# SPDX-License-Identifier: Apache-2.0
"""What hosts told of all they have."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "host_surveys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=True),
        sa.Column("found", Json, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_surveys")),
    )
    with op.batch_alter_table("host_surveys", schema=None) as batch_op:
        batch_op.create_index("ix_host_surveys_asked_at", ["asked_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("host_surveys")
