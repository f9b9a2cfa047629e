# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts where CPU and memory run out together: what is left of one without the other is stranded."""

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
class BalanceWeigher(Weigher):
    """1 is a host with equal shares of CPU and memory claimed once the vm is there."""

    name = "balance"
    capacity: Capacity

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity)

    def norm(self, request: Request, host: HostView) -> float:
        shares = self.capacity.shares_with(request, host)
        return 1.0 - abs(shares["cpu"] - shares["memory"])

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        shares = self.capacity.shares_of(request, table, rows)
        return 1.0 - np.abs(shares["cpu"] - shares["memory"])
