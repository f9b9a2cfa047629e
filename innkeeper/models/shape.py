# SPDX-License-Identifier: Apache-2.0
"""JSON answers to frozen dataclasses: unknown fields are kept in `raw`, absent ones take their default.

A client older or newer than its server must still work, so only a missing field without a default is an error.
"""

import dataclasses
import functools
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from innkeeper.errors import NotTheContract

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Base of what the API answers; `raw` is the JSON as it came."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def load(cls: type[T], data: Any) -> T:
    """A `cls` (a dataclass) made of a JSON object; raises NotTheContract naming class and field."""
    if not isinstance(data, Mapping):
        raise NotTheContract(f"expected a {cls.__name__} object, got {type(data).__name__}")
    values: dict[str, Any] = {}
    shape: Any = cls
    hints = _hints(shape)
    for spec in dataclasses.fields(shape):
        if spec.name == "raw":
            values["raw"] = data
        elif data.get(spec.name) is not None:
            values[spec.name] = _value(hints[spec.name], data[spec.name], f"{cls.__name__}.{spec.name}")
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise NotTheContract(f"the answer's {cls.__name__} has no {spec.name!r}")
    return cls(**values)


def instant(value: Any) -> datetime:
    """A moment, with its timezone, of ISO 8601 text or seconds since the epoch; raises ValueError."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_hints = functools.cache(get_type_hints)


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as `hint` says; scalars are converted, since a server may send 1 for 1.0 and 7 for "7"."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], item, where) for item in _list(value, where))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return load(hint, value)
    try:
        if hint is datetime:
            return instant(value)
        return hint(value) if hint in (str, int, float, bool) else value
    except (TypeError, ValueError) as error:
        raise NotTheContract(f"the answer's {where} can't be read: {error}") from error


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise NotTheContract(f"the answer's {where} is not a list")
    return list(value)


def part(body: Any, key: str) -> Any:
    """`body[key]` where the body is an envelope, else the body itself."""
    return body[key] if isinstance(body, Mapping) and isinstance(body.get(key), Mapping) else body
