# SPDX-License-Identifier: Apache-2.0
"""Hosts that have every trait and datastore the vm needs, and can give its system what that insists on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.filters.datastores import have_datastores, lacks_datastores
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class TraitsFilter(Filter):
    """Looks at `request.traits`, `needs` and `datastores`: no change of the request helps against the latter two."""

    name = "traits"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        lacking = [need for need in request.needs if need not in host.capabilities]
        if lacking:
            return Refusal(f"can't give {request.os} what it needs: {', '.join(lacking)}")
        elsewhere = lacks_datastores(request, host)
        if elsewhere:
            return Refusal(elsewhere)
        missing = [t for t in request.traits if t not in host.traits]
        if not missing:
            return None
        kept = tuple(t for t in request.traits if t in host.traits)
        return Refusal(f"lacks the trait{'s' if missing[1:] else ''} {', '.join(missing)}", change={"traits": kept})

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        found = np.ones(len(rows), np.bool_)
        for need in request.needs:
            found &= table.having("capabilities", need)[rows]
        for trait in request.traits:
            found &= table.having("traits", trait)[rows]
        if request.datastores:
            found &= have_datastores(request, table, rows)
        return found
