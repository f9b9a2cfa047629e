# SPDX-License-Identifier: Apache-2.0
"""Reading a request: strict JSON, known fields only, and every complaint with the pointer of its field."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NoReturn

import flask
import marshmallow as ma
from webargs.flaskparser import FlaskParser

from services.common.contracts.errors import Invalid, Malformed, Problem, TooLarge, WrongMediaType

_MISSING_FIX = "add it"
# What marshmallow says by itself, and what would be right.
_FIXES: Mapping[str, str] = {
    "Not a valid string.": "a text, in quotes",
    "Not a valid integer.": "a whole number, without quotes",
    "Not a valid number.": "a number, without quotes",
    "Not a valid boolean.": "true or false",
    "Not a valid list.": "a list: [...]",
    "Not a valid mapping type.": "an object: {...}",
    "Invalid input type.": "an object: {...}",
    "Field may not be null.": "leave it out, or give it a value",
}


_UNKNOWN = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE, "json": ma.RAISE}


class Reader(FlaskParser):
    """webargs, strict: raises Malformed (400), WrongMediaType (415) or Invalid (422) of ours."""

    DEFAULT_UNKNOWN_BY_LOCATION = _UNKNOWN

    def load_json(self, req: flask.Request, schema: ma.Schema) -> Any:
        """The body as JSON; an absent body is an empty object."""
        data = req.get_data(cache=True)
        if not data:
            return {}
        # A body sent in chunks says no length and is cut off at the limit: what is that long may have been cut.
        if req.content_length is None and len(data) >= (req.max_content_length or len(data) + 1):
            raise TooLarge("the body is larger than 1 MiB")
        if req.mimetype != "application/json":
            raise WrongMediaType(f"the body is {req.mimetype or 'of no type'}; send Content-Type: application/json")
        found = strict_json(data)
        if not isinstance(found, dict):
            raise Malformed("the body must be a JSON object, like {}")
        return found

    def parse(self, argmap: Any, req: Any = None, *, location: str | None = None, **more: Any) -> Any:
        """As webargs does it; a query that is not there is worked out once."""
        if location == "query" and not flask.request.query_string:
            return dict(self._absent(argmap))
        return super().parse(argmap, req, location=location, **more)

    @staticmethod
    @cache
    def _absent(schema: ma.Schema) -> Mapping[str, Any]:
        found: Mapping[str, Any] = schema.load({})
        return found

    def load_querystring(self, req: flask.Request, schema: ma.Schema) -> Any:
        """The query, without the one character no database takes."""
        for name, value in req.args.items(multi=True):
            if "\x00" in value or "\x00" in name:
                raise Invalid(
                    f"?{name} contains a NUL character", [Problem(f"?{name}", "a NUL character", "remove it")]
                )
        return super().load_querystring(req, schema)

    def handle_error(
        self,
        error: ma.ValidationError,
        req: flask.Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """marshmallow's complaints as ours."""
        # webargs nests the messages under the location
        ((location, messages),) = error.messages_dict.items()
        found = problems_of(messages, schema, "?" if location == "query" else "/")
        raise Invalid(f"{len(found)} field(s) are wrong" if len(found) > 1 else found[0].detail, found) from error


def strict_json(data: bytes) -> Any:
    """JSON without NaN; raises Malformed with the position, Invalid where a text has NUL or half a character."""
    try:
        text = data.decode("utf-8")
        found = json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from error
    if "\\u" in text or "\x00" in text:
        _refuse_unstorable(found)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_unstorable(found: Any) -> None:
    """Raise Invalid where a text has what no database and no guest's file can hold, with each one's pointer."""
    problems, left = list[Problem](), [("", found)]
    while left:
        pointer, value = left.pop()
        if isinstance(value, dict):
            problems += [p for key in value if (p := _unstorable(f"{pointer}/{_told(key)}", key)) is not None]
            left += [(f"{pointer}/{_told(key)}", one) for key, one in value.items()]
        elif isinstance(value, list):
            left += [(f"{pointer}/{number}", one) for number, one in enumerate(value)]
        elif isinstance(value, str) and (problem := _unstorable(pointer, value)) is not None:
            problems.append(problem)
    if problems:
        raise Invalid(problems[-1].detail, problems[::-1])


def _unstorable(pointer: str, text: str) -> Problem | None:
    if "\x00" in text:
        return Problem(pointer, "the text contains the NUL character (\\u0000), which can't be kept", "remove it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        return Problem(pointer, "the text contains half of a surrogate pair", "write the whole character")
    return None


def _told(key: str) -> str:
    """A key as it may stand in an answer."""
    return key.encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")[:80]


def problems_of(messages: Any, schema: ma.Schema, root: str = "/") -> list[Problem]:
    """A flat list of problems from marshmallow's nested messages."""
    return list(_flat(messages, root, schema))


def _flat(messages: Any, pointer: str, schema: ma.Schema | None) -> Iterator[Problem]:
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            if key in ("_schema", "value", "key") and not isinstance(key, int):
                yield from _flat(value, pointer, schema)
            else:
                step = str(key).replace("~", "~0").replace("/", "~1")
                at = pointer + step if pointer in ("/", "?") else f"{pointer}/{step}"
                yield from _leaf_or_deeper(value, at, str(key), schema)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield message if isinstance(message, Problem) else Problem(pointer, *_worded(str(message)))


def _leaf_or_deeper(value: Any, at: str, key: str, schema: ma.Schema | None) -> Iterator[Problem]:
    if value == ["Unknown field."]:
        yield Problem(at, f"{key!r} is not a field of this request", _nearest_field(key, schema))
    else:
        yield from _flat(value, at, _nested(schema, key))


def _nested(schema: ma.Schema | None, key: str) -> ma.Schema | None:
    if schema is None or key.isdigit():
        return schema
    field = schema.fields.get(key)
    inner = field.inner if isinstance(field, ma.fields.List) else field
    return inner.schema if isinstance(inner, ma.fields.Nested) else None


def _nearest_field(key: str, schema: ma.Schema | None) -> str:
    names = sorted(schema.fields) if schema else []
    near = get_close_matches(key, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(names)}" if names else "remove it"


def _worded(message: str) -> tuple[str, str]:
    if message == "Missing data for required field.":
        return "this field is required", _MISSING_FIX
    text, _, fix = message.partition(" -> ")
    return text, fix or _FIXES.get(text, "")
