# SPDX-License-Identifier: Apache-2.0
"""The smallest changes of a request that would find it a host."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import islice
from typing import Any

from services.common.contracts.placement import HostView, Relaxation, Request
from services.scheduler.rule import Refusal, Wish

Takes = Callable[[Request, HostView], bool]
TRIES = 8  # hosts that are asked, cheapest first, whether they take the vm with the same fields changed
_KEPT = 3
_WORDS = {
    "vcpus": "{} vCPUs",
    "memory_mib": "{} MiB of memory",
    "disk_gib": "{} GiB of disk",
    "zone": "zone {}",
    "hypervisor": "hypervisor {}",
    "host": "host {}",
    "traits": "the traits {}",
}
_ANY = {"zone": "any zone", "hypervisor": "any hypervisor", "host": "any host", "traits": "no traits"}


@dataclass(frozen=True)
class _Change:
    """The fields to change for one host, and how much of what was asked that gives up."""

    host: HostView
    fields: Mapping[str, Wish]
    cost: float


def relaxations(
    request: Request,
    refused: Sequence[tuple[HostView, Iterable[Refusal]]],
    takes: Takes | None = None,
    suggest: Collection[str] = (),
) -> tuple[Relaxation, ...]:
    """The cheapest change for each set of fields, smallest first. Each of them, applied alone, places the vm.

    `takes` says whether a host takes the changed request, which rules that look at several fields may deny; where it
    is left out nothing is asked. `suggest` limits the fields (empty: all).
    Several fields are joined by ", "; several traits by a space; an empty value means any.
    """
    changes: defaultdict[tuple[str, ...], list[_Change]] = defaultdict(list)
    for host, refusals in refused:
        change = _change(request, host, refusals)
        if change is not None and not (suggest and not change.fields.keys() <= set(suggest)):
            changes[tuple(sorted(change.fields))].append(change)
    best = []
    for each in changes.values():
        cheapest = nsmallest(TRIES, each, key=lambda c: (c.cost, c.host.id))
        best += list(islice((c for c in cheapest if takes is None or takes(changed(request, c.fields), c.host)), 1))
    ranked = sorted(best, key=lambda c: (len(c.fields), c.cost, c.host.id))
    return tuple(_told(request, change) for change in ranked[:_KEPT])


def changed(request: Request, fields: Mapping[str, Wish]) -> Request:
    """The request with these fields instead."""
    values: dict[str, Any] = dict(fields)
    return replace(request, **values)


def _change(request: Request, host: HostView, refusals: Iterable[Refusal]) -> _Change | None:
    fields: dict[str, Wish] = {}
    for refusal in refusals:
        if refusal.change is None:
            return None
        for name, wish in refusal.change.items():
            before = fields.get(name)
            fields[name] = min(before, wish) if isinstance(before, int) and isinstance(wish, int) else wish
    return _Change(host, fields, sum(_cost(getattr(request, name), wish) for name, wish in fields.items()))


def _cost(asked: Wish, fits: Wish) -> float:
    """The share of a wish that is given up: 0 nothing, 1 all of it."""
    if isinstance(asked, int) and isinstance(fits, int):
        return (asked - fits) / asked
    if isinstance(asked, tuple) and isinstance(fits, tuple):
        return 1 - len(fits) / len(asked)
    return 1.0


def _told(request: Request, change: _Change) -> Relaxation:
    names = list(change.fields)
    asked = [_phrase(name, getattr(request, name)) for name in names]
    fits = [_phrase(name, change.fields[name]) for name in names]
    return Relaxation(
        ", ".join(names),
        ", ".join(_text(getattr(request, name)) for name in names),
        ", ".join(_text(change.fields[name]) for name in names),
        change.host.id,
        f"{change.host.name} takes it with {' and '.join(fits)} instead of {' and '.join(asked)}",
    )


def _phrase(name: str, wish: Wish) -> str:
    text = _text(wish)
    return _WORDS[name].format(text) if text else _ANY[name]


def _text(wish: Wish) -> str:
    return " ".join(wish) if isinstance(wish, tuple) else str(wish)
