# SPDX-License-Identifier: Apache-2.0
"""Operating systems, flavors and networks."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.access import Role
from services.api.call import Answer, Call
from services.api.paging import Order, chosen, listed
from services.api.views.catalogue import flavor_view, network_view, os_view
from services.common.contracts.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from services.common.contracts.ids import new_id
from services.common.contracts.network import NetworkKind
from services.common.contracts.states import MediaState
from services.common.store.models import AddressLease, Flavor, Media, Network, Vm

JsonDict = dict[str, Any]
FLAVORS = Order(Flavor.id, {"name": Flavor.name, "created_at": Flavor.id})
NETWORKS = Order(Network.id, {"name": Network.name, "created_at": Network.id})


def systems(call: Call, db: Session) -> JsonDict:
    """Every operating system vms can have; `available` says whether its image is at hand or can be built here."""
    media = (Media.project_id == call.project.id, Media.state == str(MediaState.AVAILABLE))
    imported = set(db.scalars(select(Media.os).where(*media, Media.collected_at.is_(None))))
    entries = sorted(call.parts.systems.values(), key=lambda e: e.name)
    views = [os_view(e, e.source != "media" or e.name in imported) for e in entries]
    return {"items": [chosen(v, call.query.get("fields")) for v in views], "next": None}


def flavors(call: Call, db: Session) -> JsonDict:
    """Every size."""
    return listed(db, call, select(Flavor), FLAVORS, lambda rows: [flavor_view(r) for r in rows])


def add_flavor(call: Call, db: Session) -> Answer:
    """Make a size."""
    if db.scalar(select(Flavor.id).where(Flavor.name == call.body["name"])):
        raise _taken("flavor", call.body["name"])
    row = Flavor(id=new_id(), **call.body, created_at=call.now, updated_at=call.now)
    db.add(row)
    db.flush()
    return Answer(flavor_view(row), 201, {"Location": f"/v1/flavors/{row.id}"})


def networks(call: Call, db: Session) -> JsonDict:
    """The networks this project may use."""
    return listed(db, call, _visible(call), NETWORKS, lambda rows: _network_views(db, rows))


def network(call: Call, db: Session) -> JsonDict:
    """One network."""
    return chosen(_network_views(db, [_network(call, db)])[0], call.query.get("fields"))


def add_network(call: Call, db: Session) -> Answer:
    """Make a network, of this project or (admins) of all."""
    asked = dict(call.body)
    shared = asked.pop("shared")
    if shared and call.who.rank_in(call.project) < Role.ADMIN:
        raise Forbidden("only admins make networks for every project")
    problems = list(network_field_problems(asked))
    if problems:
        raise Invalid(problems[0].detail, problems)
    owner = None if shared else call.project.id
    same = Network.project_id.is_(None) if shared else Network.project_id == owner
    if db.scalar(select(Network.id).where(same, Network.name == asked["name"])):
        raise _taken("network", asked["name"])
    asked.update(bridge=asked["bridge"] or "", mtu=asked["mtu"] or 0)
    row = Network(id=new_id(), project_id=owner, **asked, created_at=call.now, updated_at=call.now)
    db.add(row)
    db.flush()
    return Answer(network_view(row, 0), 201, {"Location": f"/v1/networks/{row.id}"})


def drop_network(call: Call, db: Session) -> Answer:
    """Delete a network nobody uses."""
    row = _network(call, db)
    if row.project_id is None and call.who.rank_in(call.project) < Role.ADMIN:
        raise Forbidden("this network is every project's; only admins delete it")
    etags.check(call.headers.get("If-Match", ""), _network_views(db, [row])[0]["etag"], required=True)
    leased = db.scalar(select(func.count()).select_from(AddressLease).where(AddressLease.network_id == row.id))
    specs = db.scalars(select(Vm.spec).where(Vm.deleted_at.is_(None)))
    if leased or any(nic["network"] == row.id for spec in specs for nic in spec["nics"]):
        raise Conflict(f"network {row.name!r} has vms on it")
    db.delete(row)
    return Answer(None, 204)


def network_field_problems(asked: JsonDict) -> Iterator[Problem]:
    """What of a network's fields doesn't fit together."""
    if asked["kind"] == NetworkKind.BRIDGE:
        if not asked["bridge"]:
            yield Problem("/bridge", "a network of kind bridge needs the bridge's name on the hosts", "add it")
        return
    try:
        net = ip_network(asked["cidr"])
    except ValueError as error:
        yield Problem("/cidr", f"{asked['cidr']!r} is not a network: {error}", 'write it like "10.80.0.0/24"')
        return
    if asked["kind"] == NetworkKind.NAT and not asked["gateway"]:
        yield Problem("/gateway", "a nat network needs the host's address on it", f"like {next(iter(net.hosts()))}")
    for field in ("gateway", "dhcp_start", "dhcp_end"):
        try:
            if asked[field] and ip_address(asked[field]) not in net:
                yield Problem(f"/{field}", f"{asked[field]} is outside {net}", f"choose an address in {net}")
        except ValueError:
            yield Problem(f"/{field}", f"{asked[field]!r} is not an IP address", f"choose an address in {net}")
    if bool(asked["dhcp_start"]) != bool(asked["dhcp_end"]):
        yield Problem("/dhcp_end", "a DHCP range has a first and a last address", "give both, or neither")
    elif _backwards(asked["dhcp_start"], asked["dhcp_end"]):
        detail = f"{asked['dhcp_end']} is before {asked['dhcp_start']}"
        yield Problem("/dhcp_end", detail, "exchange dhcp_start and dhcp_end")
    for n, server in enumerate(asked["dns"]):
        try:
            ip_address(server)
        except ValueError:
            yield Problem(f"/dns/{n}", f"{server!r} is not an IP address", "give a DNS server's IP address")


def _backwards(first: str, last: str) -> bool:
    """Whether a range ends before it begins; what is no address is told elsewhere."""
    try:
        return int(ip_address(first)) > int(ip_address(last))
    except ValueError:
        return False


def _visible(call: Call) -> Any:
    return select(Network).where(or_(Network.project_id.is_(None), Network.project_id == call.project.id))


def _network(call: Call, db: Session) -> Network:
    row: Network | None = db.scalars(_visible(call).where(Network.id == call.path["network_id"])).first()
    if row is None:
        raise NotFound(f"there is no network {call.path['network_id']} here")
    return row


def _network_views(db: Session, rows: Any) -> list[JsonDict]:
    counted = select(AddressLease.network_id, func.count()).group_by(AddressLease.network_id)
    used: dict[str, int] = {row[0]: row[1] for row in db.execute(counted)}
    return [network_view(row, used.get(row.id, 0)) for row in rows]


def _taken(what: str, name: str) -> Conflict:
    detail = f"a {what} named {name!r} exists"
    return Conflict(detail, [Problem("/name", detail, "choose another name")])
