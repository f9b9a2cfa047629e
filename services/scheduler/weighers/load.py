# SPDX-License-Identifier: Apache-2.0
"""Prefer hosts whose processors were idle over a while, not only at this moment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher
from services.scheduler.windows import SHORT, WINDOWS

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints


@dataclass(frozen=True)
class LoadWeigher(Weigher):
    """1 is a host that was idle for all but a twentieth of the window; where that isn't known, one that is idle now.

    Without any telemetry it is the middle of the scale: a host that tells nothing is neither sought nor shunned.
    """

    name = "load"
    window: str = SHORT

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(section.text("window", SHORT, WINDOWS))

    def norm(self, request: Request, host: HostView) -> float:
        busy: float | None = getattr(host, WINDOWS[self.window])
        busy = host.cpu_percent if busy is None else busy
        return 0.5 if busy is None else 1.0 - min(100.0, max(0.0, busy)) / 100

    def norms(self, request: Request, table: "HostTable", rows: "Ints") -> "Floats":
        busy = getattr(table, WINDOWS[self.window])[rows]
        busy = np.where(np.isnan(busy), table.cpu_percent[rows], busy)
        return np.where(np.isnan(busy), 0.5, 1.0 - np.minimum(100.0, np.maximum(0.0, busy)) / 100)
