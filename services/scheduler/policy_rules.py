# SPDX-License-Identifier: Apache-2.0
"""The rules of a policy: its filters and weighers, and what makes them contradict each other."""

from collections.abc import Collection, Sequence

from services.scheduler.capacity import Capacity
from services.scheduler.filters import ESSENTIAL, FILTERS, SEVERAL
from services.scheduler.filters.group import group_filter
from services.scheduler.filters.headroom import HeadroomFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.policy import Group, Weighted
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter
from services.scheduler.weighers import AGAINST, EITHER_WAY, WEIGHERS
from services.scheduler.weighers.group import group_weigher

MOST_RULES = 60  # the engine keeps what refuses a host as bits of one number


def read_filters(root: Section, capacity: Capacity, headroom: int, groups: Sequence[Group]) -> tuple[Filter, ...]:
    """The filters in the order in which they are told: those listed, then headroom, then hard groups."""
    found: dict[str, Filter] = {}
    for entry in root.sections("filters"):
        kind = _type(entry, FILTERS, () if entry.text("type") in SEVERAL else found)
        if not kind:
            continue
        rule = FILTERS[kind](entry, capacity)
        if rule.name in found or (kind in SEVERAL and rule.name in FILTERS):
            entry.problem("name", f"{rule.name!r} is another filter's name", "give it a name of its own")
        found[rule.name] = rule
        entry.finish()
    for missing in (name for name in ESSENTIAL if name not in found and root.has("filters")):
        detail = f"the filter {missing!r} is missing: what it guards would be ignored"
        root.problem("filters", detail, f"add - {{type: {missing}}}")
    state = found.get(StateFilter.name)
    if headroom and isinstance(state, StateFilter):
        found[HeadroomFilter.name] = HeadroomFilter(capacity, state, headroom)
    for group in groups:
        if group.mode == "hard":
            found[group.name] = group_filter(group)
    if len(found) > MOST_RULES:
        root.problem("filters", f"more than {MOST_RULES} rules", "join conditions by and")
    return tuple(found.values())


def read_weighers(root: Section, capacity: Capacity, groups: Sequence[Group]) -> tuple[Weighted, ...]:
    """The weighers, those of soft groups last."""
    found: dict[str, Weighted] = {}
    for entry in root.sections("weighers"):
        kind = _type(entry, WEIGHERS, found)
        if kind:
            found[kind] = Weighted(_multiplier(entry, kind), WEIGHERS[kind](entry, capacity))
            entry.finish()
    if {"pack", "spread"} <= found.keys() and found["pack"].multiplier * found["spread"].multiplier > 0:
        root.problem("weighers", "pack and spread pull in opposite directions", "keep one of them")
    for group in groups:
        if group.mode == "soft":
            found[group.name] = Weighted(group.multiplier, group_weigher(group))
    if not found and root.has("weighers"):
        root.problem("weighers", "there is no weigher: every host would be worth the same", "add one")
    return tuple(found.values())


def _multiplier(entry: Section, kind: str) -> float:
    multiplier = entry.number("multiplier", -1.0 if kind in AGAINST else 1.0, -100, 100)
    if not multiplier:
        entry.problem("multiplier", "0 makes the weigher say nothing", "remove the weigher, or give it weight")
    if multiplier > 0 and kind in AGAINST:
        entry.problem("multiplier", f"would prefer hosts with {kind}", "write a multiplier below 0")
    if multiplier < 0 and kind not in AGAINST | EITHER_WAY:
        entry.problem("multiplier", f"would prefer the worst hosts by {kind}", "write a multiplier above 0")
    return multiplier


def _type(entry: Section, known: Collection[str], found: Collection[str]) -> str:
    """The entry's type; "" (and a problem) where it can't be used."""
    kind = entry.text("type")
    if kind in known and kind not in found:
        return kind
    choices = f"use one of: {', '.join(known)}"
    if kind in known:
        entry.problem("type", f"{kind!r} is listed twice", "keep one of them")
    elif kind:
        entry.problem("type", f"{kind!r} is unknown", choices)
    elif not entry.has("type"):
        entry.problem("", "'type' is missing", choices)
    return ""
