# SPDX-License-Identifier: Apache-2.0
"""Prefer empty hosts, so that the loss of one hurts little."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Weigher
from services.scheduler.weighers.pack import fullness, read_resources


@dataclass(frozen=True)
class SpreadWeigher(Weigher):
    """1 is a host that stays empty even with this vm."""

    name: ClassVar[str] = "spread"
    capacity: Capacity
    weights: tuple[float, ...] = (1.0, 1.0, 0.0)

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity, read_resources(section))

    def norm(self, request: Request, host: HostView) -> float:
        return 1.0 - fullness(request, host, self.capacity, self.weights)
