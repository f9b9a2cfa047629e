# SPDX-License-Identifier: Apache-2.0
"""How much of a host the policy lets vms have, and how full that makes it."""

from dataclasses import dataclass
from math import floor

from services.common.contracts.placement import HostView, Request


@dataclass(frozen=True)
class Amounts:
    """Vcpus, memory in MiB and disk in GiB."""

    vcpus: int
    memory_mib: int
    disk_gib: int


@dataclass(frozen=True)
class Capacity:
    """Overcommit factors, and what is kept back for the hypervisor before they apply."""

    cpu: float = 1.0
    memory: float = 1.0
    disk: float = 1.0
    reserve: Amounts = Amounts(0, 0, 0)

    def limits(self, host: HostView) -> Amounts:
        """The most that claims on this host may add up to, never negative."""
        return Amounts(
            _limit(host.vcpus, self.reserve.vcpus, self.cpu),
            _limit(host.memory_mib, self.reserve.memory_mib, self.memory),
            _limit(host.disk_gib, self.reserve.disk_gib, self.disk),
        )

    def shares_with(self, request: Request, host: HostView) -> dict[str, float]:
        """How full each resource is, 0 to 1 of its limit, once this vm is there too."""
        limits = self.limits(host)
        return {
            "cpu": _share(host.used_vcpus + request.vcpus, limits.vcpus),
            "memory": _share(host.used_memory_mib + request.memory_mib, limits.memory_mib),
            "disk": _share(host.used_disk_gib + request.disk_gib, limits.disk_gib),
        }


def _limit(total: int, reserve: int, overcommit: float) -> int:
    # The small addend keeps 10 * 1.1 at 11: a factor written in decimal shall not cost a vm.
    return max(0, floor((total - reserve) * overcommit + 1e-9))


def _share(used: int, limit: int) -> float:
    return min(1.0, used / limit) if limit > 0 else 1.0
