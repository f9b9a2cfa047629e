# SPDX-License-Identifier: Apache-2.0
"""What names mean at this moment: flavors, networks and hosts, from memory where they were just read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.links import NONE
from services.api.intents.resolve import DEFAULT_NETWORK, Size, World
from services.common.contracts.network import NetworkPlan
from services.common.store.models import Flavor, Host, Network
from services.common.store.network_plans import plan_of

T = TypeVar("T")


def world_for(call: Call, db: Session, asked: Mapping[str, Any]) -> World:
    """The world as far as this request names it."""
    wanted = [link["network"] for link in asked.get("networks", ({"network": DEFAULT_NETWORK},))]
    project = call.project.id
    return World(
        systems=call.parts.systems,
        sizes=_known(call, "sizes", lambda: _sizes(db), [asked["flavor"]] if "flavor" in asked else []),
        nets=_known(call, f"nets/{project}", lambda: nets(db, project), [n for n in wanted if n != NONE]),
        hosts=_hosts(db) if asked.get("host") else {},
        rank=call.who.rank_in(call.project),
    )


def _known(call: Call, key: str, load: Callable[[], Mapping[str, T]], wanted: Iterable[str]) -> Mapping[str, T]:
    """From memory; a name that is not there is looked up anew, since another process may just have made it."""
    found = call.parts.cached.get(key, load)
    if all(name in found for name in wanted):
        return found
    return call.parts.cached.get(key, load, fresh=True)


def _sizes(db: Session) -> Mapping[str, Size]:
    rows = db.execute(select(Flavor.name, Flavor.vcpus, Flavor.memory_mib, Flavor.disk_gib))
    return {row.name: Size(*row) for row in rows}


def nets(db: Session, project: str) -> Mapping[str, NetworkPlan]:
    """The networks a project may use, by name and by id; its own win over shared ones of the same name."""
    rows = db.scalars(
        select(Network)
        .where(or_(Network.project_id.is_(None), Network.project_id == project))
        .order_by(Network.project_id.is_not(None))
    ).all()
    found = [plan_of(row) for row in rows]
    return {**{net.name: net for net in found}, **{net.id: net for net in found}}


def _hosts(db: Session) -> Mapping[str, str]:
    rows = db.execute(select(Host.id, Host.name)).all()
    return {**{row.name: row.id for row in rows}, **{row.id: row.id for row in rows}}
