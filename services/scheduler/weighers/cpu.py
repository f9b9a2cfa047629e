# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts whose processors are idle now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class CpuWeigher(Weigher):
    """1 is an idle host. Without telemetry the share of vcpus not claimed stands in for it."""

    name = "cpu"
    capacity: Capacity

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity)

    def norm(self, request: Request, host: HostView) -> float:
        if host.cpu_percent is None:
            return 1.0 - self.capacity.shares_with(request, host)["cpu"]
        return 1.0 - min(100.0, max(0.0, host.cpu_percent)) / 100

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        percent = table.cpu_percent[rows]
        idle = 1.0 - np.minimum(100.0, np.maximum(0.0, percent)) / 100
        return np.where(np.isnan(percent), 1.0 - self.capacity.shares_of(request, table, rows)["cpu"], idle)
