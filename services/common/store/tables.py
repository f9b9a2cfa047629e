# SPDX-License-Identifier: Apache-2.0
"""The bare table of a mapped class, for statements that must be quick."""

from typing import Any

from sqlalchemy import Table

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
