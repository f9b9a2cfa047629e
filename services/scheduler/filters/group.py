# SPDX-License-Identifier: Apache-2.0
"""Hosts where a vm of a group may be: with its like, apart from them, or where there are fewest."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.groups import Standing, member_of, place_of, standing, standings
from services.scheduler.policy import Group
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class GroupFilter(Filter):
    """A hard group. Vms without its label pass everywhere. Made by `group_filter`."""

    name: str
    group: Group
    fleet: bool
    standing: Standing = field(default_factory=Standing)

    def among(self, request: Request, hosts: Sequence[HostView]) -> "GroupFilter":
        return replace(self, standing=standing(self.group, request, hosts))

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        member, known = member_of(self.group, request), self.standing
        if not member:
            return None
        own = host.members.get(member, 0)
        count = known.by_place.get(place_of(self.group, host), own) if self.fleet else own
        where = "it" if self.group.scope == "host" else f"its {self.group.scope}"
        told = f"{self.group.label}={request.labels[self.group.label]}"
        if self.group.rule == "anti-affinity" and count:
            return Refusal(f"is kept free of more {told}: {where} has {count}")
        if self.group.rule == "affinity" and known.total and not count:
            return Refusal(f"has no {told} in {where}, where others are together")
        if self.group.rule == "spread" and count > known.least:
            return Refusal(f"has {count} {told} in {where}, another place only {known.least}")
        return None

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        if not member_of(self.group, request):
            return np.ones(len(rows), np.bool_)
        found = standings(self.group, request, table)
        counts = found.counts[rows]
        if self.group.rule == "anti-affinity":
            return np.equal(counts, 0)
        if self.group.rule == "affinity":
            return np.greater(counts, 0) if found.total else np.ones(len(rows), np.bool_)
        return np.less_equal(counts, found.least)


def group_filter(group: Group) -> GroupFilter:
    """The filter of a hard group. Only who keeps vms of one host apart needn't know the other hosts."""
    return GroupFilter(group.name, group, (group.rule, group.scope) != ("anti-affinity", "host"))
