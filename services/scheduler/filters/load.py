# SPDX-License-Identifier: Apache-2.0
"""Hosts whose processors aren't too busy right now, by telemetry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal
from services.scheduler.units import SHARE

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class LoadFilter(Filter):
    """`max_cpu` is a share of 1. A host without telemetry passes, or is refused where `pass_missing` is false."""

    name = "load"
    max_cpu: float = 0.9
    pass_missing: bool = True

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        max_cpu = section.measure("max_cpu", cls.max_cpu, SHARE, 1.0)
        return cls(max_cpu, section.text("on_missing", "pass", ("pass", "refuse")) == "pass")

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if host.cpu_percent is None:
            return None if self.pass_missing else Refusal("has not told its CPU load")
        if host.cpu_percent <= self.max_cpu * 100:
            return None
        return Refusal(f"has a CPU load of {host.cpu_percent:.0f} %, more than {self.max_cpu * 100:.0f} %")

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        busy = table.cpu_percent[rows]
        found: Bools = busy <= self.max_cpu * 100  # what isn't known compares as false
        return found | np.isnan(busy) if self.pass_missing else found
