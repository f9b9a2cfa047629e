# SPDX-License-Identifier: Apache-2.0
"""Rows of several tables written in one round trip: on PostgreSQL one statement with one JSON parameter a table."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Table, bindparam, insert, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from services.common.store.json_text import dumps


class How(StrEnum):
    """A row must be new; or it may take an old one's place; or there must be one, else it is left out.

    BUMP is an update that also counts the row's `version`, which is not among the values.
    """

    INSERT = "insert"
    UPSERT = "upsert"
    UPDATE = "update"
    BUMP = "bump"


class Row(NamedTuple):
    """A row on its way into a table. An upsert or update finds the old one by the primary key."""

    table: Table
    values: Mapping[str, Any]
    how: How = How.INSERT


CHANGES = frozenset({How.UPDATE, How.BUMP})
Group = tuple[Table, How, tuple[str, ...]]  # and the names of the columns given


def write_together(session: Session, rows: Sequence[Row]) -> None:
    """Write all of them, or raise IntegrityError; a row may refer to one that comes before it, and none is named twice.

    Rows of one table written the same way name the same columns: every one that has no default in the database.
    """
    if not rows:
        return
    connection = session.connection()
    groups: dict[Group, list[Mapping[str, Any]]] = {}
    for table, values, how in rows:
        groups.setdefault((table, how, tuple(values)), []).append(values)
    if connection.dialect.name != "postgresql":  # no network between us and SQLite
        for group, some in groups.items():
            _write(connection, group, some)
        return
    given: dict[str, Any] = {f"r{n}": dumps(some) for n, some in enumerate(groups.values())}
    for n, ((table, how, _), some) in enumerate(groups.items()):
        if how in CHANGES:
            given[f"k{n}"] = [str(values[_first_key(table)]) for values in some]
    connection.exec_driver_sql(_statement(tuple(groups), connection.dialect), given)


def _write(connection: Connection, group: Group, rows: Sequence[Mapping[str, Any]]) -> None:
    table, how, columns = group
    keys = table.primary_key.columns.keys()
    others = [name for name in columns if name not in keys]
    given = [dict(values) for values in rows]
    if how in CHANGES:
        found = [table.c[key] == bindparam(f"of_{key}") for key in keys]
        change = update(table).where(*found).values({name: bindparam(f"to_{name}") for name in others})
        if how == How.BUMP:
            change = change.values(version=table.c.version + 1)
        connection.execute(
            change, [{f"{'of' if name in keys else 'to'}_{name}": v for name, v in row.items()} for row in given]
        )
    elif how == How.UPSERT:
        put = sqlite.insert(table)
        over = {name: put.excluded[name] for name in others}
        connection.execute(put.on_conflict_do_update(index_elements=list(keys), set_=over), given)
    else:
        connection.execute(insert(table), given)


@lru_cache(maxsize=256)
def _statement(groups: tuple[Group, ...], dialect: Dialect) -> str:
    """One statement that carries the others as CTEs; its text is made once per shape.

    PostgreSQL checks foreign keys at the end of a statement, so the order inside does not matter.
    """
    *first, last = (_part(n, group, dialect) for n, group in enumerate(groups))
    return (f"WITH {', '.join(f'i{n} AS ({one})' for n, one in enumerate(first))} " if first else "") + last


def _first_key(table: Table) -> str:
    return str(table.primary_key.columns.keys()[0])


def _part(number: int, group: Group, dialect: Dialect) -> str:
    table, how, columns = group
    quote = dialect.identifier_preparer
    name = quote.format_table(table)
    keys = [quote.quote(key) for key in table.primary_key.columns.keys()]  # noqa: SIM118  (not a dict)
    names = [quote.quote(column) for column in columns]
    others = [column for column in names if column not in keys]
    source = f"jsonb_populate_recordset(NULL::{name}, %(r{number})s::jsonb)"
    if how in CHANGES:
        # The keys are given twice: of rows in JSON PostgreSQL believes that there are a hundred, and may read all.
        found = " AND ".join(
            [*(f"{name}.{key} = given.{key}" for key in keys), f"{name}.{keys[0]} = ANY(%(k{number})s)"]
        )
        changes = [
            *(f"{c} = given.{c}" for c in others),
            *([f"version = {name}.version + 1"] if how == How.BUMP else []),
        ]
        return f"UPDATE {name} SET {', '.join(changes)} FROM {source} given WHERE {found}"
    put = f"INSERT INTO {name} ({', '.join(names)}) SELECT {', '.join(names)} FROM {source}"
    if how == How.UPSERT:
        over = ", ".join(f"{c} = EXCLUDED.{c}" for c in others)
        put += f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {over}"
    return put
