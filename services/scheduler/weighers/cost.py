# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts where a kilowatt-hour is cheap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints

HALF = 0.25


@dataclass(frozen=True)
class CostWeigher(Weigher):
    """1 costs nothing, `half` is the middle of the scale; a price that isn't known is the worst.

    A zone's price in the policy goes before what the host tells. Prices are per kWh, in one currency everywhere.
    """

    name = "cost"
    half: float = HALF
    zones: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        zones = section.numbers("zones", 0, 1000)
        return cls(section.number("half", HALF, 0.001, 1000), zones)

    def norm(self, request: Request, host: HostView) -> float:
        price = self.zones.get(host.zone, host.price_kwh)
        return 0.0 if price is None else self.half / (self.half + max(0.0, price))

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        prices, zones = table.price_kwh[rows], table.zone[rows]
        for zone, price in self.zones.items():
            prices[zones == table.code(zone)] = price
        return np.where(np.isnan(prices), 0.0, self.half / (self.half + np.maximum(0.0, prices)))
