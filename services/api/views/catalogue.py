# SPDX-License-Identifier: Apache-2.0
"""Operating systems, flavors and networks as they are shown."""

from dataclasses import asdict
from typing import Any

from services.api import etags
from services.api.views.moments import moment
from services.common.catalog import OsEntry
from services.common.store.models import Flavor, Network

JsonDict = dict[str, Any]
_HIDDEN = ("seed", "network", "fragments", "payloads", "master", "unsupported", "agent", "source")


def os_view(entry: OsEntry, available: bool) -> JsonDict:
    """One entry of the catalogue."""
    shown = {k: v for k, v in asdict(entry).items() if k not in _HIDDEN}
    return {
        "id": entry.name,
        **shown,
        "guest_agent": entry.guest_agent,
        "installable": entry.installable,
        "available": available,
    }


def flavor_view(row: Flavor) -> JsonDict:
    """A size."""
    view = {
        "id": row.id,
        "name": row.name,
        "vcpus": row.vcpus,
        "memory_mib": row.memory_mib,
        "disk_gib": row.disk_gib,
        "created_at": moment(row.created_at),
    }
    return {**view, "etag": etags.make(view, ("name",))}


def network_view(row: Network, used: int) -> JsonDict:
    """A network; `used` static addresses are given to vms."""
    view = {
        "id": row.id,
        "name": row.name,
        "project": row.project_id,
        "kind": row.kind,
        "cidr": row.cidr,
        "gateway": row.gateway,
        "dhcp_start": row.dhcp_start,
        "dhcp_end": row.dhcp_end,
        "dns": row.dns,
        "bridge": row.bridge,
        "mtu": row.mtu,
        "ranges": row.ranges,
        "reservations": row.reservations,
        "vlan": row.vlan,
        "anti_spoof": row.anti_spoof,
        "addresses_used": used,
        "created_at": moment(row.created_at),
    }
    return {**view, "etag": etags.make(view, ("name", "cidr", "gateway", "ranges", "reservations"))}
