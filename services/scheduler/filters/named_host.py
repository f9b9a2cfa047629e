# SPDX-License-Identifier: Apache-2.0
"""The host that was asked for by name, and no other."""

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
class NamedHostFilter(Filter):
    """Looks at `request.host`, a host's id; empty means any."""

    name = "host"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if request.host in ("", host.id):
            return None
        return Refusal("is not the host that was asked for", change={"host": ""})

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        if not request.host:
            return np.ones(len(rows), np.bool_)
        found: Bools = rows == table.row(request.host)
        return found
