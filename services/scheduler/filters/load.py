# SPDX-License-Identifier: Apache-2.0
"""Hosts whose processors aren't too busy right now, by telemetry."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal
from services.scheduler.units import SHARE


@dataclass(frozen=True)
class LoadFilter(Filter):
    """`max_cpu` is a share of 1. A host without telemetry passes, or is refused where `pass_missing` is false."""

    name: ClassVar[str] = "load"
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
