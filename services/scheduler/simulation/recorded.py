# SPDX-License-Identifier: Apache-2.0
"""Reads a trace as lines of JSON: hosts and requests in the words of HostView and Request, one object a line.

`{"host": {...}}` for each host, then `{"at": 0, "request": {...}, "lasts": 3600, "placed": "host id"}` for each vm.
A host needs id, vcpus, memory_mib and disk_gib, a request the same; `lasts` and `placed` may be left out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from math import isfinite
from typing import Any

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import FADES, HostView, Request
from services.scheduler.energy import resampled
from services.scheduler.simulation.trace import Arrival, Trace

MAX_LINES = 1_000_000
_AMOUNTS = ("vcpus", "memory_mib", "disk_gib")
_HOST_WORDS = frozenset(f.name for f in fields(HostView))
_REQUEST_WORDS = frozenset(f.name for f in fields(Request))
_HOST_DEFAULTS = {"driver": "fake", "state": "up", "zone": "", "traits": [], "heartbeat_age_s": 0.0}
_FIX = 'write {"host": {...}} or {"at": 0, "request": {...}}, one object a line'


def read_lines(name: str, lines: Iterable[str]) -> Trace:
    """The trace these lines tell; Invalid names the line and the field that is wrong."""
    hosts: list[HostView] = []
    arrivals: list[Arrival] = []
    for number, line in enumerate(lines, 1):
        if number > MAX_LINES:
            raise _refused(number, f"more than {MAX_LINES} lines", "split the trace")
        if not line.strip():
            continue
        found = _parsed(number, line)
        if "host" in found:
            hosts.append(_host(number, found["host"]))
        else:
            arrivals.append(_arrival(number, found))
    arrivals.sort(key=lambda a: a.at)
    ends = (a.at + (a.lasts if isfinite(a.lasts) else 3600.0) for a in arrivals)
    return Trace(name, tuple(hosts), tuple(arrivals), max(ends, default=0.0))


def _parsed(number: int, line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refused(number, f"no JSON: {error}", _FIX) from error
    if not isinstance(found, dict) or not ("host" in found or "request" in found):
        raise _refused(number, "neither a host nor a request", _FIX)
    return found


def _host(number: int, told: Any) -> HostView:
    given = _object(number, "host", told, _HOST_WORDS)
    named = {"name": given["id"], **_HOST_DEFAULTS, **given}
    lists = {key: tuple(value) for key, value in named.items() if isinstance(value, list)}
    curve = lists.get("power_curve", ())
    if len(curve) > 1:
        lists["power_curve"] = resampled(curve)
    return HostView(**{**named, **lists})


def _arrival(number: int, found: Mapping[str, Any]) -> Arrival:
    given = _object(number, "request", found["request"], _REQUEST_WORDS)
    lists = {key: tuple(map(_hashable, value)) for key, value in given.items() if isinstance(value, list)}
    at, lasts = found.get("at", 0.0), found.get("lasts", float("inf"))
    for key, value in (("at", at), ("lasts", lasts)):
        sound = not isinstance(value, bool) and isinstance(value, int | float) and value >= 0
        if not sound or (key == "at" and not isfinite(value)):
            raise _refused(number, f"{key} is {value!r}, not seconds from 0", "give a number")
    return Arrival(float(at), Request(**{**given, **lists}), float(lasts), host=str(found.get("placed", "")))


def _object(number: int, what: str, told: Any, words: frozenset[str]) -> dict[str, Any]:
    if not isinstance(told, dict) or not isinstance(told.get("id"), str):
        raise _refused(number, f"{what} has no id", "give it one, as text")
    unknown = sorted(set(told) - words)
    if unknown:
        raise _refused(number, f"{what}/{unknown[0]} isn't known", f"known are {', '.join(sorted(words))}")
    for key in _AMOUNTS:
        if not _sound(key, told.get(key)):
            raise _refused(number, f"{what}/{key} is {told.get(key)!r}, not a whole number from 0", "give a number")
    for key, value in told.items():
        if not (_rooms(what, value) if key == "datastores" else _sound(key, value)):
            raise _refused(number, f"{what}/{key} is {str(value)[:40]!r}, which it can't be", "leave it out")
    return dict(told)


def _sound(key: str, value: Any) -> bool:
    """Whether a field that may be left out has a value of its kind."""
    if key in ("used_vcpus", "used_memory_mib", "used_disk_gib", "vms", *_AMOUNTS):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    if key in ("cpu_percent", "cpu_p95_5m", "cpu_p95_1h", "watts", "heartbeat_age_s", "failures", "price_kwh"):
        return value is None or (isinstance(value, int | float) and isfinite(value))
    if key in ("traits", "needs", "capabilities"):
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if key in ("power_curve", "failed"):
        fits = isinstance(value, list) and (key == "power_curve" or len(value) in (0, len(FADES)))
        return fits and all(isinstance(number, int | float) and isfinite(number) and number >= 0 for number in value)
    if key == "labels":
        return isinstance(value, dict) and all(isinstance(word, str) for word in value.values())
    if key == "members":
        return isinstance(value, dict) and all(type(count) is int for count in value.values())
    return isinstance(value, str)


def _rooms(what: str, value: Any) -> bool:
    """Whether these are datastores: what is left on a host's by name, what a request asks of each as pairs."""
    pairs = list(value.items()) if what == "host" and isinstance(value, dict) else value
    if not isinstance(pairs, list) or (what == "host") != isinstance(value, dict):
        return False
    told = [tuple(pair) for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
    return len(told) == len(pairs) and all(type(name) is str and type(gib) is int for name, gib in told)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _refused(number: int, detail: str, fix: str) -> Invalid:
    return Invalid(f"line {number}: {detail}", [Problem(f"/lines/{number}", detail, fix)])
