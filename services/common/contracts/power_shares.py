# SPDX-License-Identifier: Apache-2.0
"""Whose watts they are: a host's power shared out among the vms that hold room on it.

What an idle host draws is shared by the vcpus that are claimed, since that is what keeps it awake. What it draws above
that is shared by CPU time where the driver measures it, else by the claimed vcpus of the vms that run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FRESH_S = 60.0  # a reading older than this says nothing about now


@dataclass(frozen=True)
class Tenant:
    """A vm that holds room on the host. `cores` is how many it kept busy lately; None: not measured."""

    vm: str
    vcpus: int
    running: bool = True
    cores: float | None = None


@dataclass(frozen=True)
class Share:
    """A vm's part of its host's watts."""

    idle: float
    dynamic: float

    @property
    def watts(self) -> float:
        """All of it."""
        return self.idle + self.dynamic


def shares(watts: float, idle_watts: float, tenants: Sequence[Tenant]) -> Mapping[str, Share]:
    """Each vm's share by its id. They sum to `watts`; without vms there is nobody to share it."""
    if not tenants:
        return {}
    idle = min(max(0.0, idle_watts), max(0.0, watts))
    dynamic = max(0.0, watts) - idle
    claimed = [float(t.vcpus) for t in tenants]
    for_idle, for_dynamic = _parts(claimed), _parts(_busy(tenants) or claimed)
    return {
        t.vm: Share(idle * of_idle, dynamic * of_dynamic)
        for t, of_idle, of_dynamic in zip(tenants, for_idle, for_dynamic, strict=True)
    }


def _busy(tenants: Sequence[Tenant]) -> list[float] | None:
    """How busy each is: all in measured cores, or all by what they claim, so that one measure holds for all."""
    running = [t for t in tenants if t.running]
    measured = bool(running) and all(t.cores is not None for t in running)
    busy = [0.0 if not t.running else max(0.0, t.cores or 0.0) if measured else float(t.vcpus) for t in tenants]
    return busy if sum(busy) > 0 else None


def _parts(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [w / total for w in weights] if total > 0 else [1.0 / len(weights)] * len(weights)
