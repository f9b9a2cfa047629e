# SPDX-License-Identifier: Apache-2.0
"""Hosts whose processors aren't too busy now, or weren't over a while, by telemetry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal
from services.scheduler.units import SHARE
from services.scheduler.windows import SHORT, WINDOWS

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class LoadFilter(Filter):
    """Shares of 1: the load now, and (unless 1) what it may have been above for a twentieth of the window only.

    A host without telemetry passes, or is refused where `pass_missing` is false.
    """

    name = "load"
    max_cpu: float = 0.9
    pass_missing: bool = True
    max_p95: float = 1.0
    window: str = SHORT

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        max_p95 = section.measure("max_cpu_p95", 1.0, SHARE, 1.0)
        # Who asks for what was over a while, and not for now, means what was over a while.
        max_cpu = section.measure("max_cpu", cls.max_cpu if max_p95 == 1.0 else 1.0, SHARE, 1.0)
        window = section.text("window", SHORT, WINDOWS)
        return cls(max_cpu, section.text("on_missing", "pass", ("pass", "refuse")) == "pass", max_p95, window)

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        over: float | None = getattr(host, WINDOWS[self.window])
        if not self.pass_missing and host.cpu_percent is None:
            return Refusal("has not told its CPU load")
        if not self.pass_missing and over is None and self.max_p95 < 1.0:
            return Refusal(f"has not told its CPU load over {self.window}")
        if host.cpu_percent is not None and host.cpu_percent > self.max_cpu * 100:
            return Refusal(f"has a CPU load of {host.cpu_percent:.0f} %, more than {self.max_cpu * 100:.0f} %")
        if over is not None and over > self.max_p95 * 100:
            told = f"its 95th percentile of {self.window} is {over:.0f} %, more than {self.max_p95 * 100:.0f} %"
            return Refusal(f"had too much CPU load: {told}")
        return None

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        busy, over = table.cpu_percent[rows], getattr(table, WINDOWS[self.window])[rows]
        unknown = np.isnan(busy) | (np.isnan(over) if self.max_p95 < 1.0 else False)
        # What isn't known compares as false.
        found: Bools = ~(busy > self.max_cpu * 100) & ~(over > self.max_p95 * 100)
        return found if self.pass_missing else found & ~unknown
