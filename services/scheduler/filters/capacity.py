# SPDX-License-Identifier: Apache-2.0
"""Hosts with room: what claims hold plus what is asked stays within the policy's limits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Amounts, Capacity
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints

LEAST = {"vcpus": 1, "memory_mib": 64, "disk_gib": 1}  # a smaller vm is no help to anybody
WORDS = {"vcpus": "vCPUs", "memory_mib": "MiB of memory", "disk_gib": "GiB of disk"}


def free(capacity: Capacity, host: HostView) -> dict[str, int]:
    """The largest vm this host can still take, by field of the request; negative where limits were lowered."""
    limits: Amounts = capacity.limits(host)
    return {
        # A vm never runs more vcpus than the host has: its own threads would wait for each other.
        "vcpus": min(limits.vcpus - host.used_vcpus, host.vcpus),
        "memory_mib": limits.memory_mib - host.used_memory_mib,
        "disk_gib": limits.disk_gib - host.used_disk_gib,
    }


@dataclass(frozen=True)
class CapacityFilter(Filter):
    """Looks at `request.vcpus`, `memory_mib` and `disk_gib`."""

    name = "capacity"
    capacity: Capacity

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        return cls(capacity)

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        room = free(self.capacity, host)
        asked = {"vcpus": request.vcpus, "memory_mib": request.memory_mib, "disk_gib": request.disk_gib}
        lacks = {field: asked[field] - room[field] for field in asked if asked[field] > room[field]}
        if not lacks:
            return None
        helps = all(room[field] >= LEAST[field] for field in lacks)
        reason = "lacks " + " and ".join(f"{amount} {WORDS[field]}" for field, amount in lacks.items())
        return Refusal(reason, lacks, {field: room[field] for field in lacks} if helps else None)

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        vcpus, memory, disk = self.capacity.limits_of(table, rows)
        cpu = np.minimum(vcpus - table.used_vcpus[rows], table.vcpus[rows]) >= request.vcpus
        fits = memory - table.used_memory_mib[rows] >= request.memory_mib
        found: Bools = cpu & fits & (disk - table.used_disk_gib[rows] >= request.disk_gib)
        return found
