# SPDX-License-Identifier: Apache-2.0
"""Prefer places by how many vms of the same group they hold: none to be apart, many to be together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.groups import Standing, member_of, place_of, standing, standings
from services.scheduler.policy import Group
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class GroupWeigher(Weigher):
    """A soft group. 1 is a place without any (to be apart), or with very many (to be together).

    Made by `group_weigher`. Vms without the label have 0 everywhere.
    """

    name: str
    group: Group
    fleet: bool
    standing: Standing = field(default_factory=Standing)

    def among(self, request: Request, hosts: Sequence[HostView]) -> "GroupWeigher":
        return replace(self, standing=standing(self.group, request, hosts))

    def norm(self, request: Request, host: HostView) -> float:
        member = member_of(self.group, request)
        if not member:
            return 0.0
        own = host.members.get(member, 0)
        count = self.standing.by_place.get(place_of(self.group, host), own) if self.fleet else own
        return (count if self.group.rule == "affinity" else 1) / (1 + count)

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        if not member_of(self.group, request):
            return np.zeros(len(rows))
        counts = standings(self.group, request, table).counts[rows]
        return (counts if self.group.rule == "affinity" else 1) / (1 + counts)


def group_weigher(group: Group) -> GroupWeigher:
    """The weigher of a soft group. On hosts it needs only what each has itself."""
    return GroupWeigher(group.name, group, group.scope != "host")
