# SPDX-License-Identifier: Apache-2.0
"""Tell hosts where steps failed lately from those where none did."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class FailuresWeigher(Weigher):
    """0 is a host without failures; one failure is the middle of the scale. Its multiplier must be below 0."""

    name = "failures"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def norm(self, request: Request, host: HostView) -> float:
        return max(0.0, host.failures) / (1.0 + max(0.0, host.failures))

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        failed = table.failures[rows].clip(0.0)
        return failed / (1.0 + failed)
