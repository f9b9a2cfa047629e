# SPDX-License-Identifier: Apache-2.0
"""Networks as hosts need to know them."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.address_pools import Pool, Range, Reservation
from services.common.contracts.codec import load
from services.common.contracts.network import NetworkPlan
from services.common.store.catalogue import Network


def network_plans(session: Session, ids: Iterable[str]) -> dict[str, NetworkPlan]:
    """The plans of these networks, by id."""
    rows = session.scalars(select(Network).where(Network.id.in_(sorted(set(ids)))))
    return {row.id: plan_of(row) for row in rows}


def plan_of(row: Network) -> NetworkPlan:
    """One network's plan."""
    return NetworkPlan(
        id=row.id,
        name=row.name,
        kind=row.kind,
        cidr=row.cidr,
        gateway=row.gateway,
        dhcp_start=row.dhcp_start,
        dhcp_end=row.dhcp_end,
        dns=tuple(row.dns),
        bridge=row.bridge,
        mtu=row.mtu,
        vlan=row.vlan,
        anti_spoof=row.anti_spoof,
    )


def pool_of(row: Network) -> Pool:
    """The addresses it gives."""
    ranges = tuple(load(Range, one) for one in row.ranges)
    return Pool(row.cidr, row.gateway, ranges, tuple(load(Reservation, one) for one in row.reservations))
