# SPDX-License-Identifier: Apache-2.0
"""Prefer empty hosts, so that the loss of one hurts little."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.common.contracts.placement import HostView, Request
from services.scheduler.weighers.fullness import FullnessWeigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class SpreadWeigher(FullnessWeigher):
    """1 is a host that stays empty even with this vm."""

    name = "spread"

    def norm(self, request: Request, host: HostView) -> float:
        return 1.0 - self.fullness(request, host)

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        return 1.0 - self.fullness_of(request, table, rows)
