# SPDX-License-Identifier: Apache-2.0
"""Networks as hosts need to know them."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

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
    )
