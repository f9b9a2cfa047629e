# SPDX-License-Identifier: Apache-2.0
"""Which empty hosts may sleep now and which sleeping ones are needed: a pure choice by the policy's `power`.

Never slept away: the hosts and free vcpus that shall stay awake, the last host of all, and the headroom, by which what
is claimed fits into the limits of the hosts without the N largest, of each hypervisor by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.contracts.placement import HostView
from services.common.contracts.states import HostState
from services.common.contracts.waking import LAN, WAYS
from services.scheduler.energy import watts_per_vcpu
from services.scheduler.policy import Policy

RESOURCES = ("vcpus", "memory_mib", "disk_gib")


@dataclass(frozen=True)
class Sight:
    """A host as the night watch sees it: since when it is empty, and by which ways it can be woken."""

    host: HostView
    idle_s: float = 0.0
    ways: tuple[str, ...] = (LAN,)


@dataclass(frozen=True)
class Night:
    """Ids of hosts to be put to sleep, and of hosts to be woken; never both at once."""

    sleep: tuple[str, ...] = ()
    wake: tuple[str, ...] = ()


def plan_night(sights: Sequence[Sight], policy: Policy, refused: bool = False) -> Night:
    """What to do now; `refused` says that a vm found no host lately."""
    power = policy.power
    wakeable = {s.host.id for s in sights if set(s.ways) & set(power.wake_by or WAYS)}
    awake = [s for s in sights if s.host.state == HostState.UP]
    waking = [s for s in sights if s.host.state == HostState.WAKING]
    ready = [s.host for s in (*awake, *waking)]
    if not enough(ready, policy) or (refused and not waking):
        asleep = [s.host for s in sights if s.host.state == HostState.ASLEEP and s.host.id in wakeable]
        return Night(wake=_woken(ready, sorted(asleep, key=lambda h: _thirst(h, policy)), policy))
    if waking or refused or power.sleep_after_idle_s <= 0:
        return Night()
    empty = [s for s in awake if s.host.id in wakeable and not s.host.vms]
    idle = [s.host for s in empty if s.idle_s >= power.sleep_after_idle_s]
    return Night(sleep=_slept(ready, sorted(idle, key=lambda h: _thirst(h, policy), reverse=True), policy))


def enough(hosts: Sequence[HostView], policy: Policy) -> bool:
    """Whether these hosts are all that shall be awake."""
    limits = [policy.capacity.limits(host) for host in hosts]
    free = sum(limit.vcpus - host.used_vcpus for limit, host in zip(limits, hosts, strict=True))
    least = max(policy.power.min_awake_hosts, 1)
    if len(hosts) < least or free < policy.power.min_awake_free_cpu:
        return False
    return all(_survives([h for h in hosts if h.driver == driver], policy) for driver in {h.driver for h in hosts})


def _survives(hosts: Sequence[HostView], policy: Policy) -> bool:
    if policy.headroom <= 0:
        return True
    limits = [policy.capacity.limits(host) for host in hosts]
    for resource in RESOURCES:
        kept = sorted(getattr(limit, resource) for limit in limits)[: -policy.headroom]
        if sum(getattr(host, f"used_{resource}") for host in hosts) > sum(kept):
            return False
    return True


def _woken(ready: Sequence[HostView], asleep: Sequence[HostView], policy: Policy) -> tuple[str, ...]:
    """As few as are needed, one at least, the thriftiest first."""
    chosen: list[HostView] = []
    for host in asleep:
        chosen.append(host)
        if enough([*ready, *chosen], policy):
            break
    return tuple(host.id for host in chosen)


def _slept(ready: Sequence[HostView], idle: Sequence[HostView], policy: Policy) -> tuple[str, ...]:
    """As many as can be spared, the thirstiest first."""
    left, chosen = list(ready), []
    for host in idle:
        without = [h for h in left if h.id != host.id]
        if enough(without, policy):
            left = without
            chosen.append(host.id)
    return tuple(chosen)


def _thirst(host: HostView, policy: Policy) -> tuple[float, str]:
    """Watts for each vcpu it can give; a host nobody knows the watts of is neither woken first nor slept first."""
    return watts_per_vcpu(host, policy.capacity) or 0.0, host.id
