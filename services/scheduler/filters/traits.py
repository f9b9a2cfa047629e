# SPDX-License-Identifier: Apache-2.0
"""Hosts that have every trait the vm needs."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal


@dataclass(frozen=True)
class TraitsFilter(Filter):
    """Looks at `request.traits`."""

    name: ClassVar[str] = "traits"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        missing = [t for t in request.traits if t not in host.traits]
        if not missing:
            return None
        kept = tuple(t for t in request.traits if t in host.traits)
        return Refusal(f"lacks the trait{'s' if missing[1:] else ''} {', '.join(missing)}", change={"traits": kept})
