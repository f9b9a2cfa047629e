# SPDX-License-Identifier: Apache-2.0
"""Random networks of a guest that can work, from the plainest to bonds and VLANs."""

from dataclasses import replace
from random import Random
from typing import Any

from services.common.contracts.network import Bond, BondMode, NetworkModel, Nic, Route, Vlan

_WORDS = ("lan", "wan", "dmz", "stor", "mgmt", "en", "net_", "a.b-")


def a_network(random: Random) -> NetworkModel:
    """One to four cards; half of them as plain as most are, so that every row can have them."""
    plain = random.random() < 0.5
    cards = [_card(random, number, plain) for number in range(1, 2 + random.randrange(4))]
    if not any(card.configured for card in cards):
        cards[0] = replace(cards[0], dhcp4=True)
    cards = _one_way_out(cards)
    return NetworkModel(tuple(cards)) if plain else _stacked(random, cards)


def _card(random: Random, number: int, plain: bool) -> Nic:
    mac = f"52:54:00:{number:02x}:{random.randrange(256):02x}:{random.randrange(256):02x}"
    name = f"{random.choice(_WORDS)}{number}" if random.random() < 0.3 else ""
    return Nic(mac=random.choice((mac, mac.upper())), network="net-1", name=name, **_settings(random, number, plain))


def _settings(random: Random, number: int, plain: bool) -> dict[str, Any]:
    way = random.choice(("dhcp", "v4", "v4", "both", "v6", "none"))
    if way == "dhcp":
        return {"dhcp4": True}
    if way == "none":
        return {} if plain else {"mtu": random.choice((0, 1400, 9000))}
    found: dict[str, Any] = {"addresses": (), "dns": (), "search": ()}
    for version in (4, 6):
        if way in ("both", f"v{version}"):
            _fixed(random, found, number, version, plain)
    if random.random() < 0.3:
        found["search"] = tuple(f"s{n}.example.org" for n in range(random.randrange(1, 3)))
    if not plain:
        found |= _peculiar(random, found)
    return found


def _fixed(random: Random, found: dict[str, Any], number: int, version: int, plain: bool) -> None:
    network = f"10.{number}.{random.randrange(256)}." if version == 4 else f"2001:db8:{number}::"
    length = 24 if version == 4 else 64
    # Lower numbers are the router's and the name servers'.
    hosts = random.sample(range(10, 250), 1 if plain else random.randrange(1, 4))
    spell = (lambda n: f"{network}{n}") if version == 4 else (lambda n: f"{network}{n:x}")
    found["addresses"] += tuple(f"{spell(host)}/{length}" for host in hosts)
    if random.random() < 0.6:
        found[f"gateway{version}"] = spell(1)
    found["dns"] += tuple(spell(2 + n) for n in range(random.randrange(3)))
    if not plain and random.random() < 0.3:
        to = f"172.{16 + number}.0.0/16" if version == 4 else f"2001:db8:f{number}::/48"
        found["routes"] = (*found.get("routes", ()), Route(to, spell(5), random.choice((None, 50, 700))))


def _peculiar(random: Random, found: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if random.random() < 0.2:
        more["mtu"] = random.choice((1280, 1400, 9000))
    if random.random() < 0.1:
        more["accept_ra"] = True
    if random.random() < 0.1 and "gateway4" not in found:
        more |= {"dhcp4": True, "default_route": random.random() < 0.5}
    if random.random() < 0.05:
        more["dhcp6"] = True
    return more


def _one_way_out(cards: list[Nic]) -> list[Nic]:
    """Two default routes of one version would be refused: the first card that has one keeps it."""
    taken: set[int] = set()
    found = []
    for card in cards:
        for version in (4, 6):
            if getattr(card, f"gateway{version}"):
                card = replace(card, **{f"gateway{version}": ""}) if version in taken else card
                taken.add(version)
        found.append(card)
    return found


def _stacked(random: Random, cards: list[Nic]) -> NetworkModel:
    bonds: tuple[Bond, ...] = ()
    if len(cards) > 2 and random.random() < 0.3:
        members = [replace(Nic(mac=card.mac, network=card.network, name=card.name)) for card in cards[-2:]]
        cards = [*cards[:-2], *members]
        mode = random.choice((BondMode.LACP, BondMode.ACTIVE_BACKUP))
        settings = _settings(random, 8, True)
        settings.pop("gateway4", None)
        settings.pop("gateway6", None)
        bonds = (Bond(name="bond0", members=tuple(card.mac for card in members), mode=mode, **settings),)
    vlans: tuple[Vlan, ...] = ()
    if random.random() < 0.25:
        over = bonds[0].name if bonds else cards[0].mac
        number = random.randrange(1, 4095)
        address = f"10.9.0.{random.randrange(10, 250)}/24"
        vlans = (Vlan(name=f"vlan{number}", id=number, over=over, addresses=(address,)),)
    return NetworkModel(tuple(cards), bonds, vlans)
