# SPDX-License-Identifier: Apache-2.0
"""Fields and query parameters that many schemas share."""

from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate
from webargs.fields import DelimitedList

from services.api import grammar

DEFAULT_LIMIT, MOST = 100, 1000
DRIVERS = ("libvirt", "vsphere", "fake")


class Flag(fields.Boolean):
    """true or false, and nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise ValidationError(f"{value!r} is neither true nor false -> true or false, without quotes")
        return value


def text(check: Callable[[str], None] | None = None, help: str = "", most: int = 255, **more: Any) -> fields.String:
    """A text of at most `most` characters that passes `check`."""
    checks: list[Any] = [validate.Length(max=most, error=f"longer than {most} characters -> shorten it")]
    return fields.String(validate=[*checks, *([check] if check else [])], metadata={"description": help}, **more)


def driver(*besides: str, **options: Any) -> fields.String:
    """A kind of hypervisor, or one of the texts `besides`."""
    known = validate.OneOf((*DRIVERS, *besides), error=f"{{input!r}} is no driver -> {_either(DRIVERS)}")
    return fields.String(validate=known, **options)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def whole(least: int, most: int, help: str = "", **more: Any) -> fields.Integer:
    """An integer between two bounds."""
    message = f"{{input}} is out of range -> {least} to {most}"
    bounds = validate.Range(least, most, error=message)
    return fields.Integer(strict=True, validate=bounds, metadata={"description": help}, **more)


def labels(**more: Any) -> fields.Dict:
    """Labels: short words to short texts."""
    return fields.Dict(
        keys=fields.String(validate=grammar.word),
        values=fields.String(validate=validate.Length(max=255, error="longer than 255 characters -> shorten it")),
        validate=validate.Length(max=64, error="more than 64 labels -> keep at most 64"),
        metadata={"description": "Your own words about it"},
        **more,
    )


def moment(help: str) -> fields.String:
    """A time as it is shown: RFC 3339, UTC."""
    return fields.String(metadata={"description": help, "format": "date-time"}, allow_none=True)


class Changing(Schema):
    """The query of every change."""

    dry_run = fields.Boolean(load_default=False, metadata={"description": "Check everything, change nothing"})
    wait = fields.Float(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, 60, error="{input} is out of range -> 0 to 60 seconds"),
        metadata={"description": "Seconds to wait for the job (or Prefer: wait=30)"},
    )


class Reading(Schema):
    """The query of one resource."""

    fields_ = DelimitedList(
        fields.String(), data_key="fields", attribute="fields", metadata={"description": "Only these, comma-separated"}
    )


def listing(kind_name: str, sorts: Sequence[str], default: str, **filters: fields.Field[Any]) -> Schema:
    """The query of a list: limit, cursor, sort, fields and its filters."""
    choices = [*sorts, *(f"-{s}" for s in sorts)]
    known = f"{{input}} is not something to sort by -> one of {', '.join(choices)}"
    limit = validate.Range(1, MOST, error=f"{{input}} is out of range -> 1 to {MOST}")
    shared: dict[str, Any] = {
        "limit": fields.Integer(load_default=DEFAULT_LIMIT, validate=limit),
        "cursor": fields.String(
            validate=validate.Length(max=1024), metadata={"description": '"next" of the page before'}
        ),
        "sort": fields.String(load_default=default, validate=validate.OneOf(choices, error=known)),
    }
    kind: type[Schema] = type(f"{kind_name}Query", (Reading,), {**shared, **filters})
    return kind()


class Problem(Schema):
    """One wrong field."""

    pointer = fields.String(metadata={"description": "JSON pointer; ?name for a query parameter, header:Name"})
    detail = fields.String()
    fix = fields.String()


class ProblemDocument(Schema):
    """Every error: application/problem+json (RFC 9457)."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    code = fields.String(metadata={"description": "Stable; listed in docs/errors.md"})
    detail = fields.String()
    errors = fields.List(fields.Nested(Problem))
    job = fields.String()
    trace_id = fields.String()


def page_of(item: type[Schema]) -> Schema:
    """The answer of a list."""
    shape = {
        "items": fields.List(fields.Nested(item)),
        "next": fields.String(allow_none=True, metadata={"description": "Cursor of the next page"}),
    }
    kind: type[Schema] = type(f"{item.__name__}Page", (Schema,), shape)
    return kind()
