# SPDX-License-Identifier: Apache-2.0
"""Prefer full hosts, so that others stay empty."""

from dataclasses import dataclass
from typing import ClassVar

from services.common.contracts.placement import HostView, Request
from services.scheduler.weighers.fullness import FullnessWeigher


@dataclass(frozen=True)
class PackWeigher(FullnessWeigher):
    """1 is a host that this vm fills to its limits."""

    name: ClassVar[str] = "pack"

    def norm(self, request: Request, host: HostView) -> float:
        return self.fullness(request, host)
