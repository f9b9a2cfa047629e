# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts where the vm answers for the fewest watts: fill those awake first, then wake the most frugal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.energy import watts_answered_for, watts_per_vcpu
from services.scheduler.energy_columns import watts_answered_for_each, watts_per_vcpu_each
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher
from services.scheduler.units import DURATION, POWER

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints

HALF_W = 10.0
WAKE_S = 120.0  # a host that boots draws like a full one for this long
HORIZON_S = 6 * 3600.0


@dataclass(frozen=True)
class EnergyWeigher(Weigher):
    """The upper half of the scale is for hosts that run vms anyway; the lower for those that could sleep instead.

    Within a half, `half` watts per vcpu give the middle. On a host that is awake they are what the vm adds and its
    share of the idle watts; one to wake counts as full, for it will be filled, and what its boot takes is spread
    over the horizon. Hosts of unknown power come last in their half.
    """

    name = "energy"
    capacity: Capacity
    half: float = HALF_W
    wake_s: float = WAKE_S
    horizon_s: float = HORIZON_S

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        half = max(0.1, section.measure("half", HALF_W, POWER, 10_000))
        wake_s = section.measure("wake", WAKE_S, DURATION, 3600)
        return cls(capacity, half, wake_s, max(60.0, section.measure("horizon", HORIZON_S, DURATION, 30 * 86400)))

    @property
    def waking(self) -> float:
        """How many times its watts a host counts that has to be woken first."""
        return 1.0 + self.wake_s / self.horizon_s

    def norm(self, request: Request, host: HostView) -> float:
        if host.vms:
            return 0.5 + self._frugality(watts_answered_for(request, host, self.capacity))
        full = watts_per_vcpu(host, self.capacity)
        return self._frugality(None if full is None else full * self.waking)

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        awake = self._frugalities(watts_answered_for_each(request, table, rows, self.capacity))
        asleep = self._frugalities(watts_per_vcpu_each(table, rows, self.capacity) * self.waking)
        return np.where(table.vms[rows] != 0, 0.5 + awake, asleep)

    def _frugality(self, watts: float | None) -> float:
        # Hyperbolic: it never clips, so two hungry hosts can still be told apart.
        return 0.0 if watts is None else 0.5 * self.half / (self.half + max(0.0, watts))

    def _frugalities(self, watts: "Floats") -> "Floats":
        known = 0.5 * self.half / (self.half + np.maximum(0.0, watts))
        return np.where(np.isnan(watts), 0.0, known)
