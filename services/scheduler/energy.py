# SPDX-License-Identifier: Apache-2.0
"""What a host draws: its power curve, corrected by what was measured, and what one more vm adds."""

from collections.abc import Sequence

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity

# A measurement further off than this says more about the meter, or about other work, than about the curve.
CORRECTION = (0.25, 4.0)
POINTS = 11  # of a curve: watts at 0, 10, ... 100 % of utilisation, as SPECpower publishes them


def watts_at(curve: Sequence[float], utilisation: float) -> float:
    """Watts at a utilisation of 0 to 1, straight lines between the curve's evenly spaced points (two at least)."""
    position = min(1.0, max(0.0, utilisation)) * (len(curve) - 1)
    left = min(int(position), len(curve) - 2)
    return curve[left] + (curve[left + 1] - curve[left]) * (position - left)


def resampled(curve: Sequence[float]) -> tuple[float, ...]:
    """The same curve with POINTS points; two (idle and full) make a straight line."""
    if len(curve) == POINTS:
        return tuple(curve)
    return tuple(watts_at(curve, n / (POINTS - 1)) for n in range(POINTS))


def curve_of(host: HostView) -> tuple[float, ...] | None:
    """The host's power curve with POINTS points, scaled to meet the watts measured now; None where it has none."""
    if len(host.power_curve) < 2:
        return None
    curve = resampled(host.power_curve)
    if host.watts is None or host.cpu_percent is None:
        return curve
    expected = watts_at(curve, host.cpu_percent / 100)
    if expected <= 0 or host.watts <= 0:
        return curve
    low, high = CORRECTION
    factor = min(high, max(low, host.watts / expected))
    return tuple(point * factor for point in curve)


def watts_added(request: Request, host: HostView, capacity: Capacity) -> float | None:
    """Watts this vm adds to a host that is awake; None where nothing is known of the host's power.

    Utilisation is what claims hold of the limit, not telemetry: fifty vms placed within a second must see each other.
    """
    curve, limit = curve_of(host), capacity.limits(host).vcpus
    if curve is None or limit <= 0:
        return None
    before, after = host.used_vcpus / limit, (host.used_vcpus + request.vcpus) / limit
    return watts_at(curve, after) - watts_at(curve, before)


def watts_per_vcpu(host: HostView, capacity: Capacity) -> float | None:
    """Watts of the full host for each vcpu it can give: how good a host is to wake."""
    curve, limit = curve_of(host), capacity.limits(host).vcpus
    return None if curve is None or limit <= 0 else curve[-1] / limit


def watts_answered_for(request: Request, host: HostView, capacity: Capacity) -> float | None:
    """Watts per vcpu that this vm answers for on a host that is awake: what it adds, and its share of the idle watts.

    The share makes room on a host that draws much while idle worth little: its vms should end, and the host sleep.
    """
    curve, limit = curve_of(host), capacity.limits(host).vcpus
    added = watts_added(request, host, capacity)
    return None if curve is None or added is None else added / max(1, request.vcpus) + curve[0] / limit
