# SPDX-License-Identifier: Apache-2.0
"""The bare table of a mapped class, for statements that must be quick."""

from sqlalchemy import Table

from services.common.store.base import Base


def table_of(model: type[Base]) -> Table:
    """Its table; raises TypeError for a class that maps something else."""
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} has no table of its own")
    return table
