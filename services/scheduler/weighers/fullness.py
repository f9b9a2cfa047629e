# SPDX-License-Identifier: Apache-2.0
"""How full a host is, for the weighers that prefer full hosts or empty ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import RESOURCES, Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints

N = TypeVar("N", float, "Floats")


@dataclass(frozen=True)
class FullnessWeigher(Weigher):
    """`weights` says how much each of RESOURCES counts; their sum is above 0."""

    capacity: Capacity
    weights: tuple[float, ...] = (1.0, 1.0, 0.0)

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity, _read_resources(section))

    def fullness(self, request: Request, host: HostView) -> float:
        """How full the host is with this vm: the weighted mean of its resources, 0 to 1."""
        return self._mean(self.capacity.shares_with(request, host))

    def fullness_of(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        """`fullness` of each of these rows."""
        return self._mean(self.capacity.shares_of(request, table, rows))

    def _mean(self, shares: Mapping[str, N]) -> N:
        cpu, memory, disk = self.weights
        # Added up one by one: sum() corrects its rounding in newer Pythons, arrays don't.
        return (cpu * shares["cpu"] + memory * shares["memory"] + disk * shares["disk"]) / (cpu + memory + disk)


def _read_resources(section: Section) -> tuple[float, ...]:
    """The weight of each resource: `resources: {cpu: 1, memory: 1}`; disk doesn't count unless asked for."""
    given = section.section("resources")
    default = 0.0 if section.has("resources") else 1.0
    weights = tuple(given.number(r, 0.0 if r == "disk" else default, 0, 100) for r in RESOURCES)
    given.finish()
    if not sum(weights):
        section.problem("resources", "no resource has a weight above 0", "write it like {cpu: 1, memory: 1}")
        return (1.0, 1.0, 0.0)
    return weights
