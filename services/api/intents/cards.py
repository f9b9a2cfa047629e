# SPDX-License-Identifier: Apache-2.0
"""A card that a vm shall get, made whole: its network, MAC and addresses, and everything that is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from sqlalchemy.orm import Session

from services.api.call import Call
from services.api.intents.abilities import need
from services.api.intents.addressing import addressing, method_problems, on_network
from services.api.intents.assigning import Pools, assigned
from services.api.intents.taken import leases_taken, mac_problem
from services.api.intents.world import Networks, networks_there, pools_of
from services.common.contracts.cards import free_mac, free_name, stacked_on, with_card
from services.common.contracts.codec import load
from services.common.contracts.devices import NETWORK
from services.common.contracts.errors import Conflict, IllegalMove, Invalid, NotFound, Problem
from services.common.contracts.network import NetworkModel, NetworkPlan, Nic
from services.common.contracts.network_rules import network_problems
from services.common.contracts.vm import VmSpec
from services.common.store.models import Vm

JsonDict = dict[str, Any]
MOST = 16


def new_card(call: Call, db: Session, vm: Vm) -> tuple[VmSpec, Nic]:
    """The vm's specification with the card that the body describes, and the card; else Invalid or Conflict."""
    spec, asked = load(VmSpec, vm.spec), call.body
    if vm.host_id is None:
        raise IllegalMove(f"vm {vm.name!r} is {vm.state} and on no host; no card can be plugged in")
    if len(spec.nics) >= MOST:
        raise Conflict(f"vm {vm.name!r} has {len(spec.nics)} cards, which is the most; take one out")
    there = networks_there(call, db, vm.project_id, [asked["network"]])
    net = _network(asked["network"], there.nets)
    for ability in (NETWORK + net.kind, *net.needs):
        need(db, vm, ability, f"plugging a card into network {net.name!r}", call.admin)
    link, unassigned = _with_address(vm, spec.network, asked, there, pools_of(db, there, [net.id]))
    card = described(vm.id, spec.network, link, net)
    grown = with_card(spec, card)
    problems = [*unassigned, *method_problems(link, net, ""), *on_network(card, net, ""), *_of_card(grown.network)]
    if problems:
        raise Invalid(problems[0].detail, problems)
    taken = [*mac_problem(db, asked.get("mac", ""), "/mac"), *leases_taken(db, _leases(card))]
    if taken:
        raise Conflict(taken[0].detail, taken)
    return grown, card


def _with_address(
    vm: Vm, model: NetworkModel, asked: JsonDict, there: Networks, pools: Pools
) -> tuple[JsonDict, list[Problem]]:
    """As `assigned`, for one card more; the vm's name counts for its first card on a network."""
    net = there.nets[asked["network"]]
    first = all(nic.network != net.id for nic in model.nics)
    link = {**asked, "mac": asked.get("mac") or free_mac(vm.id, model)}
    request = {"name": vm.name if first else "", "networks": [link]}
    filled, problems = assigned(f"{vm.id}/{link['mac']}", request, there.nets, pools)
    return filled["networks"][0], [replace(p, pointer=p.pointer.removeprefix("/networks/0")) for p in problems]


def described(vm_id: str, model: NetworkModel, asked: JsonDict, net: NetworkPlan) -> Nic:
    """The card with all defaults. It takes the network's default route where the vm has none yet. Pure."""
    routes = any(link.gateway4 or link.gateway6 or link.dhcp4 for _, _, link in model.links() if link.default_route)
    values = addressing(asked, net, takes_default=not routes)
    mac = asked.get("mac", "").lower() or free_mac(vm_id, model)
    return Nic(mac=mac, network=net.id, name=asked.get("name") or free_name(model), **values)


def card_to_take_out(spec: VmSpec, mac: str, vm_name: str) -> Nic:
    """The card of this MAC; NotFound where there is none, Conflict where a bond or a VLAN needs it."""
    card = spec.network.nic(mac)
    if card is None:
        raise NotFound(f"vm {vm_name!r} has no card with the MAC {mac}")
    needed = stacked_on(spec.network, card)
    if needed:
        raise Conflict(f"card {card.mac} carries {needed}; a card that others are stacked on stays")
    return card


def guest_s_part(card: Nic, running: bool, delivery: str) -> str:
    """What is left for the guest to do, as a sentence."""
    if not card.configured:
        return f"{card.name} is plugged in, and nothing is configured on it."
    by = "DHCP" if card.dhcp4 and not card.addresses else ", ".join(card.addresses) or "IPv6 autoconfiguration"
    when = "is plugged in while the system runs" if running else "is there at the next start"
    reads = "" if delivery == "installer" else ", and its seed describes it, which a system reads when it is new"
    return (
        f"{card.name} ({card.mac}) {when}{reads}; a system that is set up already has to be told of it ({by}). Until"
        " then a start ends as network-mismatch."
    )


def _network(name: str, known: Mapping[str, NetworkPlan]) -> NetworkPlan:
    if name in known:
        return known[name]
    names = sorted({net.name for net in known.values()})
    near = get_close_matches(name, names, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(names) or 'none exist'}"
    detail = f"there is no network {name!r}"
    raise Invalid(detail, [Problem("/network", detail, fix)])


def _of_card(model: NetworkModel) -> Iterator[Problem]:
    """What is wrong with the model, whose last card is the new one: nothing was wrong before."""
    prefix = f"/networks/{len(model.nics) - 1}"
    for problem in network_problems(model):
        mine = problem.pointer.startswith(f"{prefix}/")
        yield replace(problem, pointer=problem.pointer.removeprefix(prefix) if mine else "/addresses")


def _leases(card: Nic) -> list[tuple[str, str, str]]:
    return [(f"/addresses/{n}", card.network, address.split("/")[0]) for n, address in enumerate(card.addresses)]
