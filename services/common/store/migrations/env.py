# SPDX-License-Identifier: Apache-2.0
"""Alembic's way in: it migrates the connection it is handed by services.common.store.migrate."""

from alembic import context

from services.common.store.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
