# SPDX-License-Identifier: Apache-2.0
"""`--network lab=192.0.2.10/24,gateway=192.0.2.1,dns=192.0.2.53` as the API's network object. Pure.

Only the shape is judged here; whether an address can work is the API's to say, with its reason and its fix.
"""

from collections.abc import Mapping
from typing import Any

_MANY = {"address": "addresses", "dns": "dns", "search": "search"}
_ONE = ("gateway", "gateway6", "mac", "method", "mtu")
_METHODS = ("dhcp", "static", "none")


def link(text: str) -> dict[str, Any]:
    """The network object; raises ValueError with what is wrong and an example."""
    name, _, rest = text.partition("=")
    if not name.strip() or "," in name:
        raise ValueError(f"{text!r} names no network; write it like lab, or lab=192.0.2.10/24,gateway=192.0.2.1")
    made: dict[str, Any] = {"network": name.strip()}
    for n, part in enumerate(rest.split(",") if rest else []):
        _add(made, part.strip(), first=n == 0)
    return made


def _add(made: dict[str, Any], part: str, first: bool) -> None:
    key, given, value = part.partition("=")
    if not given:
        key, value = _bare(part, first)
    if not value:
        raise ValueError(f"{key!r} has no value")
    if key in _MANY:
        made.setdefault(_MANY[key], []).append(value)
    elif key in _ONE and key in made:
        raise ValueError(f"{key!r} is given twice")
    elif key in _ONE:
        made[key] = _number(value) if key == "mtu" else value
    else:
        raise ValueError(f"{key!r} is not known; known are {', '.join((*_MANY, *_ONE))}")


def _bare(part: str, first: bool) -> tuple[str, str]:
    """A word without a key: a method, or an address (any number of them)."""
    if first and part in _METHODS:
        return "method", part
    return "address", part


def _number(value: str) -> int:
    if not value.isdecimal():
        raise ValueError(f"mtu={value} is not a number")
    return int(value)


def overlaid(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A spec file's values, with those of the command line over them; labels are merged, empty values don't count."""
    merged = dict(base)
    for key, value in given.items():
        if key == "labels" and value:
            merged[key] = {**(base.get("labels") or {}), **value}
        elif value not in (None, "", [], {}):
            merged[key] = value
    return merged
