# SPDX-License-Identifier: Apache-2.0
"""Watts as they are shown: a host's with each vm's share, and one vm's."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from services.common.store.host_power import HostPower, host_powers
from services.common.store.models import Vm

JsonDict = dict[str, Any]


def host_power_view(power: HostPower, names: Mapping[str, str]) -> JsonDict:
    """A host's watts and whose they are, the thirstiest vm first."""
    tenants = {tenant.vm: tenant for tenant in power.tenants}
    vms = [
        {
            "id": vm,
            "name": names.get(vm, ""),
            "vcpus": tenants[vm].vcpus,
            "cores": tenants[vm].cores,
            "watts": round(share.watts, 3),
            "idle_watts": round(share.idle, 3),
            "dynamic_watts": round(share.dynamic, 3),
            "cost_per_h": _cost(power, share.watts),
        }
        for vm, share in power.shares.items()
    ]
    return {
        "host": power.host,
        "name": power.name,
        "watts": power.watts,
        "source": power.source,
        "age_s": None if power.age_s is None else round(power.age_s, 1),
        "idle_watts": power.idle_watts,
        "price_kwh": power.price_kwh,
        "cost_per_h": None if power.watts is None else _cost(power, power.watts),
        "vms": sorted(vms, key=lambda v: (-v["watts"], v["id"])),
    }


def vm_power_view(db: Session, vm: Vm, now: float) -> JsonDict:
    """A vm's share; null where nothing is known of its host's power, or it has none."""
    power = host_powers(db, now, [vm.host_id]).get(vm.host_id) if vm.host_id else None
    share = power.shares.get(vm.id) if power is not None else None
    if power is None or share is None:
        return {"watts": None, "watts_source": "", "cost_per_h": None}
    return {
        "watts": round(share.watts, 3),
        "watts_source": power.source,
        "cost_per_h": _cost(power, share.watts),
    }


def _cost(power: HostPower, watts: float) -> float | None:
    cost = power.cost_per_h(watts)
    return None if cost is None else round(cost, 6)
