# SPDX-License-Identifier: Apache-2.0
"""How much of a host the policy lets vms have, and how full that makes it; for one host, and for rows of a table."""

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request

if TYPE_CHECKING:
    from services.scheduler.engine.table import Floats, HostTable, Ints

RESOURCES = ("cpu", "memory", "disk")


@dataclass(frozen=True)
class Amounts:
    """Vcpus, memory in MiB and disk in GiB."""

    vcpus: int
    memory_mib: int
    disk_gib: int


@dataclass(frozen=True)
class Share:
    """Overcommit factors, and what is kept back for the hypervisor before they apply."""

    cpu: float = 1.0
    memory: float = 1.0
    disk: float = 1.0
    reserve: Amounts = Amounts(0, 0, 0)


@dataclass(frozen=True)
class HostClass:
    """What holds instead on hosts with this trait."""

    trait: str
    share: Share


@dataclass(frozen=True)
class Capacity(Share):
    """What holds for every host, but for those of a class: the first that fits."""

    classes: tuple[HostClass, ...] = ()

    def limits(self, host: HostView) -> Amounts:
        """The most that claims on this host may add up to, never negative."""
        share: Share = next((c.share for c in self.classes if c.trait in host.traits), self)
        return Amounts(
            _limit(host.vcpus, share.reserve.vcpus, share.cpu),
            _limit(host.memory_mib, share.reserve.memory_mib, share.memory),
            _limit(host.disk_gib, share.reserve.disk_gib, share.disk),
        )

    def shares_with(self, request: Request, host: HostView) -> dict[str, float]:
        """How full each resource is, 0 to 1 of its limit, once this vm is there too."""
        limits = self.limits(host)
        return {
            "cpu": _share(host.used_vcpus + request.vcpus, limits.vcpus),
            "memory": _share(host.used_memory_mib + request.memory_mib, limits.memory_mib),
            "disk": _share(host.used_disk_gib + request.disk_gib, limits.disk_gib),
        }

    def limits_of(self, table: "HostTable", rows: "Ints") -> "tuple[Ints, Ints, Ints]":
        """`limits` of each of these rows: vcpus, memory, disk."""
        sizes = table.vcpus[rows], table.memory_mib[rows], table.disk_gib[rows]
        found = _limits(self, sizes)
        for host_class in reversed(self.classes):  # the first of them has the last word
            here = table.having("traits", host_class.trait)[rows]
            there = _limits(host_class.share, sizes)
            found = (
                np.where(here, there[0], found[0]),
                np.where(here, there[1], found[1]),
                np.where(here, there[2], found[2]),
            )
        return found

    def shares_of(self, request: Request, table: "HostTable", rows: "Ints") -> "dict[str, Floats]":
        """`shares_with` of each of these rows."""
        vcpus, memory, disk = self.limits_of(table, rows)
        return {
            "cpu": _shares(table.used_vcpus[rows] + request.vcpus, vcpus),
            "memory": _shares(table.used_memory_mib[rows] + request.memory_mib, memory),
            "disk": _shares(table.used_disk_gib[rows] + request.disk_gib, disk),
        }


def _limit(total: int, reserve: int, overcommit: float) -> int:
    # The small addend keeps 10 * 1.1 at 11: a factor written in decimal shall not cost a vm.
    return max(0, floor((total - reserve) * overcommit + 1e-9))


def _limits(share: Share, sizes: "tuple[Ints, Ints, Ints]") -> "tuple[Ints, Ints, Ints]":
    vcpus, memory, disk = sizes
    kept = share.reserve
    return (
        _limit_of_each(vcpus, kept.vcpus, share.cpu),
        _limit_of_each(memory, kept.memory_mib, share.memory),
        _limit_of_each(disk, kept.disk_gib, share.disk),
    )


def _limit_of_each(totals: "Ints", reserve: int, overcommit: float) -> "Ints":
    found: Ints = np.maximum(0, np.floor((totals - reserve) * overcommit + 1e-9).astype(np.int64))
    return found


def _share(used: int, limit: int) -> float:
    return min(1.0, used / limit) if limit > 0 else 1.0


def _shares(used: "Ints", limits: "Ints") -> "Floats":
    return np.where(limits > 0, np.minimum(1.0, used / np.maximum(1, limits)), 1.0)
