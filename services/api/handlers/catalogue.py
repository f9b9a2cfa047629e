# SPDX-License-Identifier: Apache-2.0
"""Operating systems, flavors and networks."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.access import Role
from services.api.call import Answer, Call
from services.api.intents.network_checks import network_field_problems, overlap_problems
from services.api.intents.world import networks_there
from services.api.paging import Order, chosen, listed
from services.api.views.catalogue import flavor_view, network_view, os_view
from services.common.contracts.address_pools import Reservation
from services.common.contracts.codec import load
from services.common.contracts.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Unsupported
from services.common.contracts.ids import new_id
from services.common.contracts.network import VLAN_CAPABILITY, NetworkKind, NetworkPlan
from services.common.contracts.states import MediaState
from services.common.store.models import AddressLease, Flavor, Host, Media, Network, Vm
from services.common.store.network_removal import take_off_hosts

JsonDict = dict[str, Any]
FLAVORS = Order(Flavor.id, {"name": Flavor.name, "created_at": Flavor.id})
_CHECKED = ("name", "kind", "cidr", "gateway", "dhcp_start", "dhcp_end", "dns", "bridge", "ranges", "reservations")
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
    shared = asked["shared"]
    if shared and call.who.rank_in(call.project) < Role.ADMIN:
        raise Forbidden("only admins make networks for every project")
    problems = list(network_field_problems(asked))
    if problems:
        raise Invalid(problems[0].detail, problems)
    del asked["shared"]
    owner = None if shared else call.project.id
    same = Network.project_id.is_(None) if shared else Network.project_id == owner
    if db.scalar(select(Network.id).where(same, Network.name == asked["name"])):
        raise _taken("network", asked["name"])
    others = db.scalars(select(Network).where(Network.kind != NetworkKind.BRIDGE).order_by(Network.id))
    overlaps = list(overlap_problems(asked, others, owner))
    if overlaps:
        raise Conflict(overlaps[0].detail, overlaps)
    asked.update(bridge=asked["bridge"] or "", mtu=asked["mtu"] or 0, vlan=asked["vlan"] or 0)
    asked.update(reservations=_plain(asked["reservations"]))
    _some_host_can(db, asked)
    row = Network(id=new_id(), project_id=owner, **asked, created_at=call.now, updated_at=call.now)
    db.add(row)
    db.flush()
    return Answer(network_view(row, 0), 201, {"Location": f"/v1/networks/{row.id}"})


def change_network(call: Call, db: Session) -> JsonDict:
    """Change what it has to give; addresses that vms have stay theirs."""
    row = _own(call, db, "change it")
    etags.check(call.headers.get("If-Match", ""), _network_views(db, [row])[0]["etag"], required=True)
    asked = {**{key: getattr(row, key) for key in _CHECKED}, "shared": row.project_id is None, **call.body}
    problems = list(network_field_problems(asked))
    if problems:
        raise Invalid(problems[0].detail, problems)
    taken = list(_reserved_of_others(db, row, asked["reservations"]))
    if taken:
        raise Conflict(taken[0].detail, taken)
    row.ranges, row.reservations = asked["ranges"], _plain(asked["reservations"])
    row.updated_at = call.now
    db.flush()
    if not call.dry_run:
        networks_there(call, db, call.project.id, (), fresh=True)  # so that whoever changed it finds it so
    return _network_views(db, [row])[0]


def drop_network(call: Call, db: Session) -> Answer:
    """Delete a network nobody uses; hosts that made it remove it, too."""
    row = _own(call, db, "delete it")
    etags.check(call.headers.get("If-Match", ""), _network_views(db, [row])[0]["etag"], required=True)
    leased = db.scalar(select(func.count()).select_from(AddressLease).where(AddressLease.network_id == row.id))
    specs = db.scalars(select(Vm.spec).where(Vm.deleted_at.is_(None)))
    if leased or any(nic["network"] == row.id for spec in specs for nic in spec["nics"]):
        raise Conflict(f"network {row.name!r} has vms on it")
    take_off_hosts(db, row.id, call.parts.journal.platform(db))
    db.delete(row)
    return Answer(None, 204)


def _visible(call: Call) -> Any:
    return select(Network).where(or_(Network.project_id.is_(None), Network.project_id == call.project.id))


def _network(call: Call, db: Session) -> Network:
    row: Network | None = db.scalars(_visible(call).where(Network.id == call.path["network_id"])).first()
    if row is None:
        raise NotFound(f"there is no network {call.path['network_id']} here")
    return row


def _plain(reservations: list[JsonDict]) -> list[JsonDict]:
    """Each address spelt the one way by which it is found again."""
    return [{**one, "address": str(ip_address(one["address"])), "mac": one["mac"].lower()} for one in reservations]


def _own(call: Call, db: Session, do: str) -> Network:
    """The network of the path, which the caller may change."""
    row = _network(call, db)
    if row.project_id is None and call.who.rank_in(call.project) < Role.ADMIN:
        raise Forbidden(f"this network is every project's; only admins {do}")
    return row


def _reserved_of_others(db: Session, row: Network, reservations: list[JsonDict]) -> Iterator[Problem]:
    """Reservations of addresses that another vm has already."""
    query = select(AddressLease.address, AddressLease.mac, Vm.name).join(Vm, Vm.id == AddressLease.vm_id)
    leases = {lease.address: lease for lease in db.execute(query.where(AddressLease.network_id == row.id))}
    for n, one in enumerate(reservations):
        lease, reservation = leases.get(one["address"]), load(Reservation, one)
        if lease is not None and not reservation.fits(lease.name, lease.mac):
            detail = f"{one['address']} is given to vm {lease.name!r}"
            yield Problem(f"/reservations/{n}/address", detail, "take it from that vm first, or reserve another one")


def _some_host_can(db: Session, asked: JsonDict) -> None:
    """Refuse what no host of the installation can do; without any host nobody knows, and the scheduler will tell."""
    needs = NetworkPlan("", asked["name"], asked["kind"], vlan=asked["vlan"], anti_spoof=asked["anti_spoof"]).needs
    hosts = db.scalars(select(Host.facts)).all() if needs else []
    for need in needs:
        if hosts and not any(need in (facts or {}).get("capabilities", ()) for facts in hosts):
            at = "/vlan" if need == VLAN_CAPABILITY else "/anti_spoof"
            raise Unsupported(
                f"no host has the capability {need!r}", [Problem(at, "no host can do that", "leave it out")]
            )


def _network_views(db: Session, rows: Any) -> list[JsonDict]:
    counted = select(AddressLease.network_id, func.count()).group_by(AddressLease.network_id)
    used: dict[str, int] = {row[0]: row[1] for row in db.execute(counted)}
    return [network_view(row, used.get(row.id, 0)) for row in rows]


def _taken(what: str, name: str) -> Conflict:
    detail = f"a {what} named {name!r} exists"
    return Conflict(detail, [Problem("/name", detail, "choose another name")])
