# SPDX-License-Identifier: Apache-2.0
"""A host as it is shown: to admins by name, to others masked."""

from collections.abc import Sequence
from typing import Any

from services.api import etags
from services.api.views.moments import moment
from services.common.contracts.masking import masked_host
from services.common.contracts.tariff import price_at
from services.common.contracts.waking import ways_of
from services.common.store.models import Host, HostDatastore

JsonDict = dict[str, Any]
_DATASTORE = ("name", "kind", "size_gib", "used_gib", "grows")
EDITABLE = ("zone", "rack", "price_kwh", "tariff", "traits", "labels", "power_curve", "state")


def host_view(row: Host, vms: int, unmasked: bool, now: float, datastores: Sequence[HostDatastore] = ()) -> JsonDict:
    """Everything about a host; telemetry only while it is there."""
    seen = row.telemetry or {}
    view = {
        "id": row.id,
        "name": row.name if unmasked else masked_host(row.id),
        "driver": row.driver,
        "state": row.state,
        "zone": row.zone,
        "rack": row.rack,
        "price_kwh": row.price_kwh,
        "tariff": row.tariff or None,
        "price_now": price_at(row.price_kwh, row.tariff, now),
        "traits": row.traits,
        "labels": row.labels if unmasked else {},
        "accelerator": (row.facts or {}).get("accelerator", ""),
        "vcpus": row.vcpus,
        "memory_mib": row.memory_mib,
        "disk_gib": row.disk_gib,
        "used_vcpus": row.used_vcpus,
        "used_memory_mib": row.used_memory_mib,
        "used_disk_gib": row.used_disk_gib,
        "used": {
            "vcpus": row.used_vcpus,
            "memory_mib": row.used_memory_mib,
            "disk_gib": row.used_disk_gib,
            "vms": vms,
        },
        "vms": vms,
        "datastores": [{key: getattr(one, key) for key in _DATASTORE} for one in datastores],
        "cpu_percent": seen.get("cpu_percent"),
        "memory_used_mib": seen.get("memory_used_mib"),
        "disk_used_gib": seen.get("disk_used_gib"),
        "watts": seen.get("watts"),
        "watts_source": seen.get("watts_source", ""),
        "power_curve": row.power_curve,
        "wake_by": list(ways_of((row.facts or {}).get("wake") or {})),
        "heartbeat_age_s": round(max(0.0, now - row.heartbeat_at), 1) if row.heartbeat_at else None,
        "created_at": moment(row.created_at),
    }
    return {**view, "etag": etags.make(view, EDITABLE)}
