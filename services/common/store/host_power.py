# SPDX-License-Identifier: Apache-2.0
"""What hosts draw now, and whose it is: telemetry and claims, put together in two queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.power_shares import FRESH_S, Share, Tenant, shares
from services.common.contracts.tariff import price_at
from services.common.store.hosts import Claim, Host
from services.common.store.vm_loads import VmLoad
from services.common.store.vms import Vm

RUNNING = ("on", "paused")


@dataclass(frozen=True)
class HostPower:
    """A host's watts, None while nothing fresh was heard of it; the shares of its vms sum to them."""

    host: str
    name: str
    watts: float | None
    source: str  # rapl | redfish | ipmi | curve
    age_s: float | None
    idle_watts: float
    price_kwh: float | None  # now
    tenants: tuple[Tenant, ...] = ()
    shares: Mapping[str, Share] = field(default_factory=dict)

    def cost_per_h(self, watts: float) -> float | None:
        """What drawing that much costs an hour, in the currency of the price; None without a price."""
        return None if self.price_kwh is None else watts / 1000 * self.price_kwh


def host_powers(session: Session, now: float, only: Sequence[str] = ()) -> dict[str, HostPower]:
    """Every host's power, or that of the hosts with these ids, by host id."""
    priced = (Host.power_curve, Host.price_kwh, Host.tariff)
    columns = (Host.id, Host.name, Host.telemetry, *priced, Host.heartbeat_at, VmLoad.cores)
    hosts = select(*columns).outerjoin(VmLoad, VmLoad.host_id == Host.id)
    claims = select(Claim.host_id, Claim.vm_id, Claim.vcpus, Vm.power).outerjoin(Vm, Vm.id == Claim.vm_id)
    if only:
        hosts, claims = hosts.where(Host.id.in_(only)), claims.where(Claim.host_id.in_(only))
    held: dict[str, list[Any]] = {}
    for claim in session.execute(claims.order_by(Claim.vm_id)):
        held.setdefault(claim.host_id, []).append(claim)
    return {host.id: _power(host, held.get(host.id, []), now) for host in session.execute(hosts)}


def _power(host: Any, claims: Sequence[Any], now: float) -> HostPower:
    telemetry: Mapping[str, Any] = host.telemetry or {}
    cores: Mapping[str, float] = host.cores or {}
    age = None if host.heartbeat_at is None else max(0.0, now - host.heartbeat_at)
    fresh = age is not None and age <= FRESH_S and "watts" in telemetry
    watts = float(telemetry["watts"]) if fresh else None
    idle = float(host.power_curve[0]) if host.power_curve else 0.0
    tenants = tuple(Tenant(c.vm_id, c.vcpus, c.power in RUNNING, cores.get(c.vm_id)) for c in claims)
    return HostPower(
        host=host.id,
        name=host.name,
        watts=watts,
        source=str(telemetry.get("watts_source", "")) if fresh else "",
        age_s=age,
        idle_watts=idle if watts is None else min(idle, watts),
        price_kwh=price_at(host.price_kwh, host.tariff, now),
        tenants=tenants,
        shares=shares(watts, idle, tenants) if watts is not None else {},
    )
