# SPDX-License-Identifier: Apache-2.0
"""Hosts with the hypervisor that was asked for, and with one the policy admits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class HypervisorFilter(Filter):
    """Looks at `request.hypervisor`, a driver's name; `any_of` limits the drivers for everybody (empty: all)."""

    name = "hypervisor"
    any_of: tuple[str, ...] = ()

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(section.words("any_of", ()))

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if self.any_of and host.driver not in self.any_of:
            return Refusal(f"runs {host.driver}; the policy admits {', '.join(self.any_of)}")
        if request.hypervisor in ("", host.driver):
            return None
        return Refusal(f"runs {host.driver}, not {request.hypervisor}", change={"hypervisor": host.driver})

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        drivers = table.driver[rows]
        found = np.ones(len(rows), np.bool_)
        if self.any_of:
            found &= np.isin(drivers, [table.code(word) for word in self.any_of])
        if request.hypervisor:
            found &= drivers == table.code(request.hypervisor)
        return found
