# SPDX-License-Identifier: Apache-2.0
"""The plain-Python loop: what one writes first, with everything worked out beforehand that doesn't change."""

from dataclasses import dataclass

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity

GRAIN = 2.0**20


@dataclass(slots=True)
class Plain:
    """A host as the loop keeps it; `good` is what doesn't change: up, heard, not busy, no GPU."""

    id: str
    good: bool
    driver: str
    zone: str
    vcpus: int
    limits: tuple[int, int, int]
    cpu: float | None
    curve: tuple[float, ...]
    used: list[int]
    vms: int


def plain_host(host: HostView, capacity: Capacity) -> Plain:
    """What the loop needs of a host."""
    limits = capacity.limits(host)
    good = host.state == "up" and "gpu" not in host.traits
    good = good and (host.heartbeat_age_s or 0.0) <= 60 and (host.cpu_percent or 0.0) <= 90
    return Plain(
        host.id,
        good,
        host.driver,
        host.zone,
        host.vcpus,
        (limits.vcpus, limits.memory_mib, limits.disk_gib),
        host.cpu_percent,
        host.power_curve,
        [host.used_vcpus, host.used_memory_mib, host.used_disk_gib],
        host.vms,
    )


def decide(request: Request, hosts: list[Plain]) -> str:
    """The id of the best host, by the policy of the stream; "" for none."""
    cpu, memory, disk = request.vcpus, request.memory_mib, request.disk_gib
    best, best_key = "", (-(1 << 60), 0, "")
    for host in hosts:
        if not host.good or request.zone not in ("", host.zone) or request.hypervisor not in ("", host.driver):
            continue
        used, limits = host.used, host.limits
        after = used[0] + cpu
        if after > limits[0] or used[1] + memory > limits[1] or used[2] + disk > limits[2] or cpu > host.vcpus:
            continue
        a, b = after / limits[0], (used[1] + memory) / limits[1]
        idle = 1.0 - a if host.cpu is None else 1.0 - host.cpu / 100
        score = (
            round((1.0 - (a + b) / 2.0) * GRAIN)
            + round(idle * GRAIN)
            + round(0.5 * (1.0 - abs(a - b)) * GRAIN)
            + round(0.5 * _energy(host, used[0] / limits[0], a, cpu) * GRAIN)
        )
        key = (score, -host.vms)
        if key > best_key[:2] or (key == best_key[:2] and host.id < best_key[2]):
            best, best_key = host.id, (*key, host.id)
    return best


def _energy(host: Plain, before: float, after: float, cpu: int) -> float:
    curve = host.curve
    if not host.vms:
        watts = curve[-1] / host.limits[0] * (1.0 + 120.0 / 21600.0)
        return 0.5 * 10.0 / (10.0 + watts)
    position = after * 10
    left = min(int(position), 9)
    there = curve[left] + (curve[left + 1] - curve[left]) * (position - left)
    position = before * 10
    left = min(int(position), 9)
    added = there - (curve[left] + (curve[left + 1] - curve[left]) * (position - left))
    watts = added / cpu + curve[0] / host.limits[0]
    return 0.5 + 0.5 * 10.0 / (10.0 + max(0.0, watts))
