# SPDX-License-Identifier: Apache-2.0
"""New rows of several tables in one round trip: on PostgreSQL one short statement with one JSON parameter a table."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.orm import Session

Row = tuple[Table, Mapping[str, Any]]
Shape = tuple[tuple[Table, tuple[str, ...]], ...]


def insert_together(session: Session, rows: Sequence[Row]) -> None:
    """Insert all of them, or raise IntegrityError; a row may refer to one that comes before it.

    Rows of one table name the same columns: every one that has no default in the database.
    """
    connection = session.connection()
    tables: dict[Table, list[Mapping[str, Any]]] = {}
    for table, values in rows:
        tables.setdefault(table, []).append(values)
    if connection.dialect.name != "postgresql":  # no network between us and SQLite
        for table, some in tables.items():
            connection.execute(insert(table), [dict(values) for values in some])
        return
    shape = tuple((table, tuple(some[0])) for table, some in tables.items())
    given = {f"r{n}": json.dumps(some) for n, some in enumerate(tables.values())}
    connection.exec_driver_sql(_statement(shape, connection.dialect), given)


@lru_cache(maxsize=256)
def _statement(shape: Shape, dialect: Dialect) -> str:
    """One INSERT that carries the others as CTEs; its text is made once per shape.

    PostgreSQL checks foreign keys at the end of a statement, so the order inside does not matter.
    """
    quote = dialect.identifier_preparer
    inserts = []
    for n, (table, keys) in enumerate(shape):
        name, columns = quote.format_table(table), ", ".join(quote.quote(key) for key in keys)
        source = f"jsonb_populate_recordset(NULL::{name}, %(r{n})s::jsonb)"
        inserts.append(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {source}")
    *first, last = inserts
    return (f"WITH {', '.join(f'i{n} AS ({one})' for n, one in enumerate(first))} " if first else "") + last
