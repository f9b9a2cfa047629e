# SPDX-License-Identifier: Apache-2.0
"""Prefer full hosts, so that others stay empty."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.common.contracts.placement import HostView, Request
from services.scheduler.weighers.fullness import FullnessWeigher

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class PackWeigher(FullnessWeigher):
    """1 is a host that this vm fills to its limits."""

    name = "pack"

    def norm(self, request: Request, host: HostView) -> float:
        return self.fullness(request, host)

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        return self.fullness_of(request, table, rows)
