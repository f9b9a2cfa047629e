# SPDX-License-Identifier: Apache-2.0
"""Tell hosts where steps failed lately from those where none did."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from services.common.contracts.placement import FADES, HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


HOUR_S = 3600.0
# What a policy may say: a number that fades is kept for each of these, not for any half-life there could be.
HALF_LIVES = {"10m": FADES[0], "1h": HOUR_S, "6h": FADES[1], "1d": FADES[2]}


@dataclass(frozen=True)
class FailuresWeigher(Weigher):
    """0 is a host without failures; one failure is the middle of the scale. Its multiplier must be below 0."""

    name = "failures"
    half_life_s: float = HOUR_S

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(HALF_LIVES[section.text("half_life", "1h", HALF_LIVES)])

    def norm(self, request: Request, host: HostView) -> float:
        failed = host.failures
        if self.half_life_s != HOUR_S:
            failed = host.failed[FADES.index(self.half_life_s)] if host.failed else 0.0
        return max(0.0, failed) / (1.0 + max(0.0, failed))

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        usual = self.half_life_s == HOUR_S
        failed = (table.failures if usual else table.failed[:, FADES.index(self.half_life_s)])[rows].clip(0.0)
        return failed / (1.0 + failed)
