# SPDX-License-Identifier: Apache-2.0
"""Decides again what was decided, as far as its ground is kept: request, policy and the hosts it is told by. Pure.

The terms of the choice, its watts and what each filter says of it are worked out anew and must be the same to the last
bit; of a refusal, the reasons of the nearest misses. All other hosts are kept nowhere (docs/adr/0015): what depends on
them is named as left open, never guessed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.common.contracts.codec import load
from services.common.contracts.placement import HostView, Request
from services.scheduler.choose import judge, miss, score
from services.scheduler.concerning import concerns
from services.scheduler.energy import watts_added
from services.scheduler.policy import Policy
from services.scheduler.seen import read

OTHERS = "what other hosts were like: none of them is kept"


@dataclass(frozen=True)
class Again:
    """`same` is None where nothing of it could be decided again. What is `open` was not looked at."""

    same: bool | None
    checked: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    open: tuple[str, ...] = (OTHERS,)


def decided_again(told: Mapping[str, Any], seen: Iterable[Mapping[str, Any]], policy: Policy) -> Again:
    """What comes of a stored explanation's request under its policy, on the hosts kept with it.

    ValueError where these are nothing that this version can read.
    """
    request, hosts = load(Request, told["request"]), read(seen)
    if not hosts:
        return Again(None, open=("the hosts as they were seen then: this decision was made before they were kept",))
    alone, left_open = _without_others(policy, request)
    if told["host"]:
        host = hosts[told["host"]]
        checked, differs = _checked(alone), (*_choice(request, host, told, alone), *_order(told))
    else:
        checked, differs = ("the nearest misses",), tuple(_misses(request, hosts, told, alone, not left_open))
    return Again(not differs, checked, tuple(differs), (*left_open, OTHERS))


def _without_others(policy: Policy, request: Request) -> tuple[Policy, tuple[str, ...]]:
    """The policy without the rules that look at other hosts, and the names of those."""
    filters = tuple(f for f in policy.filters if not (f.fleet and concerns(f, request)))
    weighers = tuple(w for w in policy.weighers if not (w.weigher.fleet and concerns(w.weigher, request)))
    if policy.normalise == "minmax":
        weighers = ()
    names = [f.name for f in policy.filters if f not in filters]
    names += [w.weigher.name for w in policy.weighers if w not in weighers]
    alone = replace(policy, filters=filters, weighers=weighers, normalise="absolute")
    return alone, tuple(f"{name!r}, which looks at all hosts" for name in names)


def _checked(alone: Policy) -> tuple[str, ...]:
    terms = tuple(f"term {w.weigher.name!r}" for w in alone.weighers)
    return (*(f"filter {f.name!r}" for f in alone.filters), *terms, "watts", "the order of the runners-up")


def _choice(request: Request, host: HostView, told: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    for name, refusal in judge(request, host, policy).refusals.items():
        yield f"filter {name!r} refuses {host.name}: {refusal.reason}"
    kept: Mapping[str, float] = next((c["terms"] for c in told["candidates"] if c["host"] == host.id), {})
    for name, value in score(request, host, policy).terms.items():
        if kept.get(name) != value:
            yield f"term {name!r} is {value!r}, and was told as {kept.get(name)!r}"
    added = watts_added(request, host, policy.capacity)
    watts = None if added is None else round(added, 3)
    if watts != told["watts"]:
        yield f"watts are {watts!r}, and were told as {told['watts']!r}"


def _order(told: Mapping[str, Any]) -> Iterator[str]:
    """The runners-up are told best first; the choice may be another than the best, by a seed or for a scheduler."""
    scores = [c["score"] for c in told["candidates"][1:]]
    if scores != sorted(scores, reverse=True):
        yield f"the runners-up are not told best first: {scores}"


def _misses(
    request: Request, hosts: Mapping[str, HostView], told: Mapping[str, Any], policy: Policy, whole: bool
) -> Iterator[str]:
    """With `whole` the reasons are those of all filters, and must be the same."""
    for kept in told["misses"]:
        verdict = judge(request, hosts[kept["host"]], policy)
        if whole and not verdict.refusals:
            yield f"{verdict.host.name} is not refused, and was told as: {kept['reason']}"
        elif whole and miss(verdict).reason != kept["reason"]:
            yield f"{miss(verdict).reason}; it was told as: {kept['reason']}"
