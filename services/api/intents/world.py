# SPDX-License-Identifier: Apache-2.0
"""What names mean at this moment: flavors, networks and hosts, from memory where they were just read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.assigning import NO_POOLS, Pools
from services.api.intents.links import NONE
from services.api.intents.resolve import DEFAULT_NETWORK, Size, World
from services.common.contracts.address_pools import Pool
from services.common.contracts.network import NetworkPlan
from services.common.store.models import AddressLease, Flavor, Host, Network
from services.common.store.network_plans import plan_of, pool_of

T = TypeVar("T")


def world_for(call: Call, db: Session, asked: Mapping[str, Any]) -> World:
    """The world as far as this request names it."""
    wanted = [link["network"] for link in asked.get("networks", ({"network": DEFAULT_NETWORK},))]
    project = call.project.id
    there = networks_there(call, db, project, [n for n in wanted if n != NONE])
    return World(
        systems=call.parts.systems,
        sizes=_known(call, "sizes", lambda: _sizes(db), [asked["flavor"]] if "flavor" in asked else []),
        nets=there.nets,
        hosts=_hosts(db) if asked.get("host") else {},
        rank=call.who.rank_in(call.project),
        pools=pools_of(db, there, wanted),
    )


@dataclass(frozen=True)
class Networks:
    """The networks a project may use, by name and by id, and what those have to give that give addresses, by id."""

    nets: Mapping[str, NetworkPlan]
    pools: Mapping[str, Pool]


def networks_there(call: Call, db: Session, project: str, wanted: Iterable[str], fresh: bool = False) -> Networks:
    """As they were a moment ago; `fresh`, or where one that is wanted is missing, as they are."""
    key = f"nets/{project}"
    found = call.parts.cached.get(key, lambda: _networks(db, project), fresh)
    if all(name in found.nets for name in wanted):
        return found
    return call.parts.cached.get(key, lambda: _networks(db, project), fresh=True)


def pools_of(db: Session, there: Networks, wanted: Iterable[str]) -> Pools:
    """Of the wanted networks those that give addresses, with what is given now."""
    ids = {net.id for name in wanted if (net := there.nets.get(name)) is not None and net.id in there.pools}
    if not ids:
        return NO_POOLS
    taken: dict[str, set[str]] = {network: set() for network in ids}
    leases = select(AddressLease.network_id, AddressLease.address).where(AddressLease.network_id.in_(sorted(ids)))
    for row in db.execute(leases):
        taken[row.network_id].add(row.address)
    return Pools({n: there.pools[n] for n in ids}, {n: frozenset(some) for n, some in taken.items()})


def _known(call: Call, key: str, load: Callable[[], Mapping[str, T]], wanted: Iterable[str]) -> Mapping[str, T]:
    """From memory; a name that is not there is looked up anew, since another process may just have made it."""
    found = call.parts.cached.get(key, load)
    if all(name in found for name in wanted):
        return found
    return call.parts.cached.get(key, load, fresh=True)


def _sizes(db: Session) -> Mapping[str, Size]:
    rows = db.execute(select(Flavor.name, Flavor.vcpus, Flavor.memory_mib, Flavor.disk_gib))
    return {row.name: Size(*row) for row in rows}


def _networks(db: Session, project: str) -> Networks:
    """Its own win over shared ones of the same name."""
    rows = db.scalars(
        select(Network)
        .where(or_(Network.project_id.is_(None), Network.project_id == project))
        .order_by(Network.project_id.is_not(None))
    ).all()
    found = [plan_of(row) for row in rows]
    by_name = {**{net.name: net for net in found}, **{net.id: net for net in found}}
    return Networks(by_name, {row.id: pool_of(row) for row in rows if row.ranges or row.reservations})


def _hosts(db: Session) -> Mapping[str, str]:
    rows = db.execute(select(Host.id, Host.name)).all()
    return {**{row.name: row.id for row in rows}, **{row.id: row.id for row in rows}}
