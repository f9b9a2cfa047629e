# SPDX-License-Identifier: Apache-2.0
"""The floor of the API bench: Flask, one route, one INSERT, one commit; no check of anything."""

import os

from flask import Flask, request
from sqlalchemy import create_engine, text

app = Flask(__name__)
_url = os.environ.get("BARE_DATABASE_URL", "sqlite://").replace("postgresql://", "postgresql+psycopg://")
engine = create_engine(_url, pool_size=16)
if "BARE_DATABASE_URL" in os.environ:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
        connection.execute(text("CREATE TABLE IF NOT EXISTS rows (id bigserial PRIMARY KEY, name text, size int)"))


@app.post("/rows")
def add() -> tuple[dict[str, int], int]:
    """Commit one row."""
    body = request.get_json()
    with engine.begin() as connection:
        statement = text("INSERT INTO rows (name, size) VALUES (:name, :size) RETURNING id")
        number = connection.execute(statement, {"name": body["name"], "size": body["size"]}).scalar_one()
    return {"id": number}, 201
