# SPDX-License-Identifier: Apache-2.0
"""Prefer empty hosts, so that the loss of one hurts little."""

from dataclasses import dataclass
from typing import ClassVar

from services.common.contracts.placement import HostView, Request
from services.scheduler.weighers.fullness import FullnessWeigher


@dataclass(frozen=True)
class SpreadWeigher(FullnessWeigher):
    """1 is a host that stays empty even with this vm."""

    name: ClassVar[str] = "spread"

    def norm(self, request: Request, host: HostView) -> float:
        return 1.0 - self.fullness(request, host)
