# SPDX-License-Identifier: Apache-2.0
"""The host that was asked for by name, and no other."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal


@dataclass(frozen=True)
class NamedHostFilter(Filter):
    """Looks at `request.host`, a host's id; empty means any."""

    name: ClassVar[str] = "host"

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls()

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        if request.host in ("", host.id):
            return None
        return Refusal("is not the host that was asked for", change={"host": ""})
