# SPDX-License-Identifier: Apache-2.0
"""`--network lab=192.0.2.10/24,gateway=192.0.2.1`, `--bond bond0=...`, `--vlan 20@bond0=...` as the API has them. Pure.

Only the shape is judged here; whether an address can work is the API's to say, with its reason and its fix.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_MANY = {"address": "addresses", "dns": "dns", "search": "search"}
_IP = ("gateway", "gateway6", "method", "method6", "mtu")
_CARD = (*_IP, "mac", "name", "bond", "vlan")
_BOND = (*_IP, "mode")
_VLAN = (*_IP, "name")
_NUMBERS = ("mtu", "vlan")
_METHODS = ("dhcp", "static", "none")


def link(text: str) -> dict[str, Any]:
    """The network object; raises ValueError with what is wrong and an example."""
    name, rest = _head(text, "names no network; write it like lab, or lab=192.0.2.10/24,gateway=192.0.2.1")
    return _filled({"network": name}, rest, _CARD)


def bond(text: str) -> dict[str, Any]:
    """The bond object; its cards are the networks with bond=NAME."""
    name, rest = _head(text, "names no bond; write it like bond0, or bond0=192.0.2.10/24,mode=802.3ad")
    return _filled({"name": name}, rest, _BOND)


def vlan(text: str) -> dict[str, Any]:
    """The VLAN object."""
    example = "is no VLAN; write it like 20@eth0, or 20@bond0=192.0.2.10/24,gateway=192.0.2.1"
    head, rest = _head(text, example)
    number, at, over = head.partition("@")
    if not at or not over or not number.isdecimal():
        raise ValueError(f"{text!r} {example}")
    return _filled({"id": int(number), "over": over}, rest, _VLAN)


def _head(text: str, complaint: str) -> tuple[str, str]:
    """What stands before the first =, and after it."""
    name, _, rest = text.partition("=")
    if not name.strip() or "," in name:
        raise ValueError(f"{text!r} {complaint}")
    return name.strip(), rest


def _filled(made: dict[str, Any], rest: str, known: Sequence[str]) -> dict[str, Any]:
    for n, part in enumerate(rest.split(",") if rest else []):
        _add(made, part.strip(), n == 0, known)
    return made


def _add(made: dict[str, Any], part: str, first: bool, known: Sequence[str]) -> None:
    key, given, value = part.partition("=")
    if not given:
        key, value = _bare(part, first)
    if not value:
        raise ValueError(f"{key!r} has no value")
    if key in _MANY:
        made.setdefault(_MANY[key], []).append(value)
    elif key in known and key in made:
        raise ValueError(f"{key!r} is given twice")
    elif key in known:
        made[key] = _number(key, value) if key in _NUMBERS else value
    else:
        raise ValueError(f"{key!r} is not known; known are {', '.join((*_MANY, *known))}")


def _bare(part: str, first: bool) -> tuple[str, str]:
    """A word without a key: a method, or an address (any number of them)."""
    if first and part in _METHODS:
        return "method", part
    return "address", part


def _number(key: str, value: str) -> int:
    if not value.isdecimal():
        raise ValueError(f"{key}={value} is not a number")
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
