# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts where the vm adds the fewest watts: fill those awake first, then wake the most frugal."""

from dataclasses import dataclass
from typing import Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.energy import watts_added, watts_per_vcpu
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher
from services.scheduler.units import POWER

HALF_W = 10.0


@dataclass(frozen=True)
class EnergyWeigher(Weigher):
    """The upper half of the scale is for hosts that run vms anyway; the lower for those that could sleep instead.

    Within a half, `half` watts per vcpu give the middle. Hosts of unknown power come last in their half.
    """

    name = "energy"
    capacity: Capacity
    half: float = HALF_W

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity, max(0.1, section.measure("half", HALF_W, POWER, 10_000)))

    def norm(self, request: Request, host: HostView) -> float:
        if host.vms:
            added = watts_added(request, host, self.capacity)
            return 0.5 + self._frugality(None if added is None else added / max(1, request.vcpus))
        return self._frugality(watts_per_vcpu(host, self.capacity))

    def _frugality(self, watts: float | None) -> float:
        # Hyperbolic: it never clips, so two hungry hosts can still be told apart.
        return 0.0 if watts is None else 0.5 * self.half / (self.half + max(0.0, watts))
