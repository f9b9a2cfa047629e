# SPDX-License-Identifier: Apache-2.0
"""Prefer full hosts, so that others stay empty."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

RESOURCES = ("cpu", "memory", "disk")


def read_resources(section: Section) -> tuple[float, ...]:
    """The weight of each resource: `resources: {cpu: 1, memory: 1}`; disk doesn't count unless asked for."""
    given = section.section("resources")
    default = 0.0 if section.has("resources") else 1.0
    weights = tuple(given.number(r, 0.0 if r == "disk" else default, 0, 100) for r in RESOURCES)
    given.finish()
    if not sum(weights):
        section.problem("resources", "no resource has a weight above 0", "write it like {cpu: 1, memory: 1}")
        return (1.0, 1.0, 0.0)
    return weights


def fullness(request: Request, host: HostView, capacity: Capacity, weights: tuple[float, ...]) -> float:
    """How full the host is with this vm: the weighted mean of its resources, 0 to 1."""
    shares = capacity.shares_with(request, host)
    return sum(w * shares[r] for r, w in zip(RESOURCES, weights, strict=True)) / sum(weights)


@dataclass(frozen=True)
class PackWeigher(Weigher):
    """1 is a host that this vm fills to its limits."""

    name: ClassVar[str] = "pack"
    capacity: Capacity
    weights: tuple[float, ...] = (1.0, 1.0, 0.0)

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity, read_resources(section))

    def norm(self, request: Request, host: HostView) -> float:
        return fullness(request, host, self.capacity, self.weights)
