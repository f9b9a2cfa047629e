# SPDX-License-Identifier: Apache-2.0
"""Hosts in the zone that was asked for."""

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
class ZoneFilter(Filter):
    """Looks at `request.zone`; empty means any."""

    name = "zone"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if request.zone in ("", host.zone):
            return None
        return Refusal(f"is in zone {host.zone or '(none)'}, not {request.zone}", change={"zone": host.zone})

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        if not request.zone:
            return np.ones(len(rows), np.bool_)
        found: Bools = table.zone[rows] == table.code(request.zone)
        return found
