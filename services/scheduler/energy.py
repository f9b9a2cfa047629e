# SPDX-License-Identifier: Apache-2.0
"""What a host draws: its power curve, corrected by what was measured, and what one more vm adds."""

from collections.abc import Sequence

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity

# A measurement further off than this says more about the meter, or about other work, than about the curve.
_CORRECTION = (0.25, 4.0)
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
    """The host's power curve, scaled so that it meets the watts measured now; None where it has no curve."""
    if len(host.power_curve) < 2:
        return None
    if host.watts is None or host.cpu_percent is None:
        return host.power_curve
    expected = watts_at(host.power_curve, host.cpu_percent / 100)
    if expected <= 0 or host.watts <= 0:
        return host.power_curve
    low, high = _CORRECTION
    factor = min(high, max(low, host.watts / expected))
    return tuple(point * factor for point in host.power_curve)


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
