# SPDX-License-Identifier: Apache-2.0
"""The links of a vm to be made: cards, bonds and VLANs as asked for, on the platform's networks, made whole. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from services.api.intents.addressing import ELSEWHERE, addressing, method_problems, on_network, routes_by_default
from services.api.intents.pointers import as_asked, members, tagged
from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, NetworkModel, NetworkPlan, Nic, Vlan
from services.common.contracts.network_rules import network_problems
from services.common.contracts.vm import nic_mac

JsonDict = dict[str, Any]
Nets = Mapping[str, NetworkPlan]  # by name and by id
NONE = "none"
_IP_FIELDS = ("addresses", "gateway", "gateway6", "routes", "dns", "search")


def links(vm_id: str, asked: JsonDict, nets: Nets) -> tuple[NetworkModel, list[Problem]]:
    """All links of a request and everything that is wrong with them."""
    cards = asked["networks"]
    if len(cards) == 1 and cards[0]["network"] == NONE:
        return NetworkModel(), list(_nothing_to_stack_on(asked))
    problems = [*_unknown_networks(cards, nets), *_memberships(asked), *_one_segment(asked, nets)]
    names = [link.get("name", f"eth{n}") for n, link in enumerate(cards)]
    macs = [link.get("mac", "").lower() or nic_mac(vm_id, n) for n, link in enumerate(cards)]
    spread = _Spread(asked, nets)
    nics = tuple(_card(asked, n, mac, spread) for n, mac in enumerate(macs))
    bonds = tuple(_bond(asked, n, macs, spread) for n in range(len(asked["bonds"])))
    vlans = tuple(_vlans(asked, names, macs, spread))
    model = _as_large_as_needed(NetworkModel(nics, bonds, vlans))
    return model, as_asked(network_problems(model), asked) + problems + spread.problems


class _Spread:
    """Gives each link its addressing, and the default route of a network to the first link that can have it."""

    def __init__(self, asked: JsonDict, nets: Nets):
        self._nets = nets
        self.problems: list[Problem] = []
        wanted = [(link, self.net(link)) for link in asked["networks"] if _own(link)]
        wanted += [(bond, self.under(asked, bond)) for bond in asked["bonds"]]
        wanted += [(vlan, ELSEWHERE) for vlan in (*asked["vlans"], *(asked["networks"][n] for n in tagged(asked)))]
        self._takes_default = not any(routes_by_default(link, net) for link, net in wanted)

    def net(self, card: JsonDict) -> NetworkPlan:
        """What a card is plugged into."""
        return self._nets.get(card["network"], ELSEWHERE)

    def under(self, asked: JsonDict, bond: JsonDict) -> NetworkPlan:
        """What a bond's cards are plugged into."""
        cards = members(asked, bond["name"])
        return self.net(asked["networks"][cards[0]]) if cards else ELSEWHERE

    def values(self, link: JsonDict, net: NetworkPlan, at: str) -> JsonDict:
        """The link's addressing; what is wrong with it is kept in `problems`."""
        found = addressing(link, net, self._takes_default)
        self._takes_default = self._takes_default and not (found["gateway4"] or found["gateway6"])
        self.problems += [*method_problems(link, net, at), *on_network(Addressing(**found), net, at)]
        return found


def _own(card: JsonDict) -> bool:
    """Whether a card has its addresses itself: not its bond, and not the VLAN on it."""
    return "bond" not in card and "vlan" not in card


def _card(asked: JsonDict, n: int, mac: str, spread: _Spread) -> Nic:
    card = asked["networks"][n]
    net = spread.net(card)
    values = spread.values(card, net, f"/networks/{n}") if _own(card) else {"mtu": card.get("mtu", 0)}
    return Nic(mac=mac, network=net.id, name=card.get("name", ""), **values)


def _bond(asked: JsonDict, n: int, macs: list[str], spread: _Spread) -> Bond:
    bond = asked["bonds"][n]
    values = spread.values(bond, spread.under(asked, bond), f"/bonds/{n}")
    cards = tuple(macs[m] for m in members(asked, bond["name"]))
    return Bond(name=bond["name"], members=cards, mode=bond["mode"], **values)


def _vlans(asked: JsonDict, names: list[str], macs: list[str], spread: _Spread) -> Iterator[Vlan]:
    """Those of `vlans`, then those that a card has by its `vlan`."""
    by_name = dict(zip(names, macs, strict=True))
    for n, vlan in enumerate(asked["vlans"]):
        over = by_name.get(vlan["over"], vlan["over"])
        name = vlan.get("name", f"vlan{vlan['id']}")
        yield Vlan(name=name, id=vlan["id"], over=over, **spread.values(vlan, ELSEWHERE, f"/vlans/{n}"))
    taken = {vlan.get("name", f"vlan{vlan['id']}") for vlan in asked["vlans"]}
    for n in tagged(asked):
        card = asked["networks"][n]
        name = f"vlan{card['vlan']}"
        name = f"{name}-{n}" if name in taken else name
        taken.add(name)
        yield Vlan(name=name, id=card["vlan"], over=macs[n], **spread.values(card, ELSEWHERE, f"/networks/{n}"))


def _as_large_as_needed(model: NetworkModel) -> NetworkModel:
    """A card carries frames as large as those of what is on it, unless it was said how large."""
    vlans = model.vlans
    bonds = tuple(
        replace(b, mtu=b.mtu or max((v.mtu for v in vlans if v.over == b.name), default=0)) for b in model.bonds
    )
    above = {mac: bond.mtu for bond in bonds for mac in bond.members}
    nics = tuple(
        replace(c, mtu=c.mtu or max([above.get(c.mac, 0), *(v.mtu for v in vlans if v.over == c.mac)]))
        for c in model.nics
    )
    return NetworkModel(nics, bonds, vlans)


def _nothing_to_stack_on(asked: JsonDict) -> Iterator[Problem]:
    for field in ("bonds", "vlans"):
        if asked[field]:
            yield Problem(f"/{field}", f"a vm without NICs has no {field}", "leave them out, or name networks")


def _unknown_networks(cards: list[JsonDict], nets: Nets) -> Iterator[Problem]:
    names = sorted({net.name for net in nets.values()})
    for n, card in enumerate(cards):
        name, pointer = card["network"], f"/networks/{n}/network"
        if name in nets:
            continue
        if name == NONE:
            yield Problem(pointer, '"none" stands for no NIC at all', "let it be the only entry, or leave it out")
            continue
        near = get_close_matches(name, names, 1)
        fix = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(names) or 'none exist'}"
        yield Problem(pointer, f"there is no network {name!r}", fix)


def _memberships(asked: JsonDict) -> Iterator[Problem]:
    """A card of a bond has nothing of its own."""
    bonds = [bond["name"] for bond in asked["bonds"]]
    for n, card in enumerate(asked["networks"]):
        if "bond" not in card:
            continue
        at, bond = f"/networks/{n}", card["bond"]
        if bond not in bonds:
            fix = f"one of: {', '.join(bonds)}" if bonds else f'describe it: "bonds": [{{"name": "{bond}"}}]'
            yield Problem(f"{at}/bond", f"there is no bond {bond!r}", fix)
        given = [field for field in _IP_FIELDS if card.get(field)]
        given += ["method"] if card.get("method", NONE) != NONE else []
        given += ["method6"] if card["method6"] != NONE else []
        for field in given:
            yield Problem(f"{at}/{field}", "a card in a bond has no addresses of its own", f"give it to {bond!r}")
        if "vlan" in card:
            fix = f'"vlans": [{{"id": {card["vlan"]}, "over": "{bond}"}}]'
            yield Problem(f"{at}/vlan", "the tag goes on the bond, not on its cards", fix)


def _one_segment(asked: JsonDict, nets: Nets) -> Iterator[Problem]:
    """Cards of one bond see the same frames; whether two bridges of hosts are one network we can't know."""
    for bond in asked["bonds"]:
        cards = members(asked, bond["name"])
        first = nets.get(asked["networks"][cards[0]]["network"]) if cards else None
        for n in cards[1:]:
            net = nets.get(asked["networks"][n]["network"])
            if first and net and net.id != first.id and not first.kind == net.kind == "bridge":
                detail = f"network {net.name!r} is another one than {first.name!r} of the bond's first card"
                yield Problem(f"/networks/{n}/network", detail, "plug the cards of a bond into one network")
