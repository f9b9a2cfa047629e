# SPDX-License-Identifier: Apache-2.0
"""The hosts as the scheduler sees them, read in a few queries."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.placement import HostView, membership
from services.common.contracts.power_shares import FRESH_S
from services.common.contracts.tariff import price_at
from services.common.store.datastores import datastores_of
from services.common.store.host_failures import Failed, failures
from services.common.store.hosts import Claim, Host
from services.common.store.vms import Vm
from services.scheduler.energy import resampled


@dataclass(frozen=True)
class Inventory:
    """Every host at one moment. `generation` goes up with each claim and release anywhere."""

    hosts: tuple[HostView, ...]
    generation: int

    def host(self, id_or_name: str) -> HostView | None:
        """The host of that id or, failing that, of that name."""
        by_id = (h for h in self.hosts if h.id == id_or_name)
        by_name = (h for h in self.hosts if h.name == id_or_name)
        return next(by_id, None) or next(by_name, None)

    def refreshed(self, fresh: "Inventory") -> "Inventory":
        """This inventory with the hosts of `fresh` in place of their older views."""
        newer = {h.id: h for h in fresh.hosts}
        hosts = tuple(newer.get(h.id, h) for h in self.hosts)
        return Inventory(hosts, max(self.generation, fresh.generation))


def load_inventory(session: Session, now: float, only: Sequence[str] = ()) -> Inventory:
    """Every host, or those with the ids in `only`; `now` (epoch seconds) is what heartbeats' ages are told from."""
    hosts, claims = select(Host), select(Claim.host_id, Vm.project_id, Claim.labels).outerjoin(Vm, Vm.id == Claim.vm_id)
    if only:
        hosts, claims = hosts.where(Host.id.in_(only)), claims.where(Claim.host_id.in_(only))
    # A session keeps what it has read; a host is refreshed here because somebody else changed it.
    rows = session.scalars(hosts.execution_options(populate_existing=True)).all()
    groups: defaultdict[str, list[list[str]]] = defaultdict(list)
    for host_id, project, labels in session.execute(claims):
        groups[host_id].append([membership(project or "", label, value) for label, value in labels.items()])
    failed = failures(session, now)
    left = _left_on_datastores(session, [host.id for host in rows if host.facts.get("datastores")])
    views = (_shaky(_view(host, groups[host.id], now, left.get(host.id, {})), failed.get(host.id)) for host in rows)
    return Inventory(tuple(views), sum(host.generation for host in rows))


def _shaky(host: HostView, failed: Failed | None) -> HostView:
    return host if failed is None else replace(host, failures=failed.amount, failed=failed.others)


def _left_on_datastores(session: Session, host_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """GiB, by host and by name. Few hosts have any: there is nothing to be asked for the others."""
    found = datastores_of(session, host_ids) if host_ids else {}
    return {host: {d.name: d.size_gib - d.used_gib for d in each if d.size_gib} for host, each in found.items()}


def _view(host: Host, groups: Sequence[Sequence[str]], now: float, left: dict[str, int]) -> HostView:
    """The host; `groups` are those of each vm that holds a claim on it, `left` what its datastores have."""
    telemetry: dict[str, Any] = host.telemetry or {}
    age = None if host.heartbeat_at is None else max(0.0, now - host.heartbeat_at)
    measured = telemetry.get("watts_source", "curve") != "curve" and age is not None and age <= FRESH_S
    return HostView(
        id=host.id,
        name=host.name,
        driver=host.driver,
        state=host.state,
        zone=host.zone,
        traits=tuple(host.traits),
        capabilities=tuple(host.facts.get("capabilities", ())),
        vcpus=host.vcpus,
        memory_mib=host.memory_mib,
        disk_gib=host.disk_gib,
        used_vcpus=host.used_vcpus,
        used_memory_mib=host.used_memory_mib,
        used_disk_gib=host.used_disk_gib,
        vms=len(groups),
        members=Counter(group for of_vm in groups for group in of_vm),
        cpu_percent=telemetry.get("cpu_percent"),
        cpu_p95_5m=telemetry.get("cpu_p95_5m"),
        cpu_p95_1h=telemetry.get("cpu_p95_1h"),
        watts=telemetry.get("watts") if measured else None,
        heartbeat_age_s=age,
        rack=host.rack,
        price_kwh=price_at(host.price_kwh, host.tariff, now),
        power_curve=_curve(tuple(host.power_curve or host.facts.get("power_curve", ()))),
        datastores=left,
    )


def _curve(points: tuple[float, ...]) -> tuple[float, ...]:
    return resampled(points) if len(points) > 1 else ()
