# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to plain JSON values and back; unknown keys are refused."""

from typing import Any, TypeVar

from cattrs.errors import ForbiddenExtraKeysError
from cattrs.preconf.json import make_converter

# What cattrs raises for data that doesn't fit; anything else is a fault of ours and must not look like bad data.
_UNFIT = (TypeError, ValueError, KeyError, AttributeError, ForbiddenExtraKeysError)

T = TypeVar("T")
_converter = make_converter(forbid_extra_keys=True, detailed_validation=False)


def dump(value: Any) -> Any:
    """Plain JSON values (dict, list, str, int, float, bool, None) of a contract value."""
    return _converter.unstructure(value)


def load(cls: type[T], data: Any) -> T:
    """A `cls` made of plain JSON values; raises ValueError that names the class and the reason."""
    try:
        return _converter.structure(data, cls)
    except _UNFIT as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error
