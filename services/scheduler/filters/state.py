# SPDX-License-Identifier: Apache-2.0
"""Only hosts that take vms, and whose agent has been heard lately."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.common.contracts.states import HostState
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal
from services.scheduler.units import DURATION

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class StateFilter(Filter):
    """`allow` lists states; a heartbeat older than `max_heartbeat_age_s` counts as none (0: never asked)."""

    name = "state"
    allow: tuple[str, ...] = (HostState.UP.value,)
    max_heartbeat_age_s: float = 0.0

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        allow = section.words("allow", cls.allow, [s.value for s in HostState])
        return cls(allow, section.measure("max_heartbeat_age", 0.0, DURATION, 86400))

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if host.state not in self.allow:
            return Refusal(f"is {host.state}, not {' or '.join(self.allow)}")
        if not self.max_heartbeat_age_s:
            return None
        if host.heartbeat_age_s is None:
            return Refusal("has never sent a heartbeat")
        if host.heartbeat_age_s > self.max_heartbeat_age_s:
            return Refusal(f"was last heard {host.heartbeat_age_s:.0f} s ago, more than {self.max_heartbeat_age_s:g} s")
        return None

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        found: Bools = np.isin(table.state[rows], [table.code(word) for word in self.allow])
        if self.max_heartbeat_age_s:
            found &= table.now - table.heartbeat_at[rows] <= self.max_heartbeat_age_s
        return found
