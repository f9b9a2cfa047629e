# SPDX-License-Identifier: Apache-2.0
"""Lists: keyset pages behind opaque cursors, which stay right while rows are inserted; sorting; chosen fields."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.api.call import Call
from services.common.contracts.errors import Invalid, Problem

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """A list's sortable columns by public name, all of them texts.

    `id` breaks ties, and is the time of making, being a UUIDv7.
    """

    id: InstrumentedAttribute[str]
    columns: Mapping[str, InstrumentedAttribute[str]]


def listed(
    db: Session, call: Call, statement: Select[Any], order: Order, view: Callable[[Sequence[Any]], list[JsonDict]]
) -> JsonDict:
    """{"items": [...], "next": cursor or null} of `statement` (which selects one entity), paged as asked for."""
    sort: str = call.query["sort"]
    name, down = sort.lstrip("-"), sort.startswith("-")
    column = order.columns[name]
    limit: int = call.query["limit"]
    if call.query.get("cursor"):
        statement = statement.where(_beyond(order, column, down, _read(call.query["cursor"], sort)))
    by_id = column is order.id
    ordering = [column.desc() if down else column.asc()] + ([] if by_id else [_directed(order.id, down)])
    rows = db.scalars(statement.order_by(*ordering).limit(limit + 1)).all()
    page = rows[:limit]
    last = page[-1] if len(rows) > limit else None
    cursor = _write(sort, getattr(last, column.key), getattr(last, order.id.key)) if last is not None else None
    return {"items": [chosen(item, call.query.get("fields")) for item in view(page)], "next": cursor}


def chosen(item: JsonDict, fields: Sequence[str] | None) -> JsonDict:
    """Only these fields of an item; raises Invalid naming one it does not have."""
    if not fields:
        return item
    unknown = [f for f in fields if f not in item]
    if unknown:
        detail = f"there is no field {unknown[0]!r} here"
        raise Invalid(detail, [Problem("?fields", detail, f"choose from: {', '.join(sorted(item))}")])
    return {k: v for k, v in item.items() if k in fields}


def _directed(column: InstrumentedAttribute[Any], down: bool) -> ColumnElement[Any]:
    return column.desc() if down else column.asc()


def _beyond(order: Order, column: InstrumentedAttribute[Any], down: bool, at: tuple[str, str]) -> ColumnElement[bool]:
    value, last_id = at
    past_id = order.id < last_id if down else order.id > last_id
    if column is order.id:
        return past_id
    return or_(column < value if down else column > value, and_(column == value, past_id))


def _write(sort: str, value: Any, last_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, value, last_id]).encode()).decode().rstrip("=")


def _read(cursor: str, sort: str) -> tuple[str, str]:
    try:
        made_for, value, last_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(value, str) or not isinstance(last_id, str) or "\x00" in value + last_id:
            raise ValueError("not a position")
        (value + last_id).encode()  # half a surrogate pair is a text no database takes
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _bad_cursor("the cursor is not one of ours") from error
    if made_for != sort:
        raise _bad_cursor(f"the cursor was made for sort={made_for}")
    return value, last_id


def _bad_cursor(detail: str) -> Invalid:
    return Invalid(detail, [Problem("?cursor", detail, 'use "next" of the page before, with the same sort')])
