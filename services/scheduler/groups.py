# SPDX-License-Identifier: Apache-2.0
"""How many vms of a request's group each place holds: a place is a host, a rack or a zone.

A host of no rack (or zone) is a place of its own: what isn't known is not taken for being the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request, membership
from services.common.contracts.states import HostState
from services.scheduler.policy import Group, Policy

if TYPE_CHECKING:
    from services.scheduler.engine.table import HostTable, Ints

RULES = ("affinity", "anti-affinity", "spread")
SCOPES = ("host", "rack", "zone")
MODES = ("hard", "soft")


@dataclass(frozen=True)
class Standing:
    """The group's vms by place, all of them, and the fewest in any place that has a host that is up."""

    by_place: Mapping[str, int] = field(default_factory=dict)
    total: int = 0
    least: int = 0


@dataclass(frozen=True)
class Standings:
    """The same for rows of a table: `counts` is of the place that each row is in."""

    counts: "Ints"
    total: int
    least: int


def member_of(group: Group, request: Request) -> str:
    """The group the vm would be in; empty where it hasn't the label."""
    found = request.labels.get(group.label)
    return "" if found is None else membership(request.project, group.label, found)


def place_of(group: Group, host: HostView) -> str:
    """The place the host is in."""
    named = "" if group.scope == "host" else str(getattr(host, group.scope))
    return f"{group.scope}:{named}" if named else f"host:{host.id}"


def standing(group: Group, request: Request, hosts: Sequence[HostView]) -> Standing:
    """Where the vms of the request's group are, when these are all hosts."""
    member = member_of(group, request)
    by_place: Counter[str] = Counter()
    for host in hosts:
        by_place[place_of(group, host)] += host.members.get(member, 0)
    up = {place_of(group, host) for host in hosts if host.state == HostState.UP}
    return Standing(by_place, by_place.total(), min((by_place[place] for place in up), default=0))


def standings(group: Group, request: Request, table: "HostTable") -> Standings:
    """`standing` over all rows of the table."""
    there = table.present[: table.size]
    own: Ints = np.where(there, table.members(member_of(group, request)), 0)
    counts = own
    if group.scope != "host":
        places = getattr(table, group.scope)[: table.size]
        sums = np.bincount(places, weights=own).astype(np.int64) if len(places) else own
        counts = np.where(places == 0, own, sums[places])
    up = counts[there & (table.state[: table.size] == table.code(HostState.UP))]
    return Standings(counts, int(own.sum()), int(up.min()) if len(up) else 0)


def standing_at(group: Group, request: Request, table: "HostTable", rows: Sequence[int]) -> Standing:
    """`standing` over all rows of the table, with the places of these alone."""
    found = standings(group, request, table)
    places = {place_of(group, table.view(row)): int(found.counts[row]) for row in rows}
    return Standing(places, found.total, found.least)


def kept_apart(policy: Policy, request: Request, host: HostView) -> tuple[tuple[str, str], ...]:
    """(group, place) that the vm must have to itself on this host, by the policy's hard anti-affinities."""
    apart = [g for g in policy.groups if (g.rule, g.mode) == ("anti-affinity", "hard") and g.label in request.labels]
    return tuple((member_of(group, request), place_of(group, host)) for group in apart)
