# SPDX-License-Identifier: Apache-2.0
"""The bare table of a mapped class, for statements that must be quick."""

from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, String, Table, any_, bindparam

from services.common.store.base import Base


def table_of(model: type[Base]) -> Table:
    """Its table; raises TypeError for a class that maps something else."""
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} has no table of its own")
    return table


def values_of(row: Base) -> dict[str, Any]:
    """Every column's value of an object whose attributes are all set."""
    return {column.key: getattr(row, column.key) for column in table_of(type(row)).columns}


def one_of(column: Column[str], dialect: str) -> ColumnElement[bool]:
    """Whether the column has one of the values of the parameter `ids`.

    On PostgreSQL that is one parameter, and so one statement however many values there are.
    """
    if dialect == "postgresql":
        return column == any_(bindparam("ids", type_=ARRAY(String)))
    return column.in_(bindparam("ids", expanding=True))
