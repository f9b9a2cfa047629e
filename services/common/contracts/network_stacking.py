# SPDX-License-Identifier: Apache-2.0
"""The rules of links on links: bonds of cards, and VLANs on either."""

import re
from collections.abc import Iterator

from services.common.contracts.errors import Problem
from services.common.contracts.network import Bond, BondMode, NetworkModel, Vlan
from services.common.contracts.quoting import quoted

# The kernel's limit is 15 bytes; no dialect takes more than these characters.
LINK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_MODES = (BondMode.ACTIVE_BACKUP, BondMode.LACP)


def stacking_problems(model: NetworkModel) -> list[Problem]:
    """Everything that is wrong with names, bonds and VLANs."""
    return [*_names(model), *_bonds(model), *_vlans(model)]


def _names(model: NetworkModel) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for at, name, _ in model.links():
        if not LINK_NAME.fullmatch(name):
            detail = f"{quoted(name)} can't be a link's name"
            yield Problem(f"{at}/name", detail, "a letter, then up to 14 of a-z 0-9 _ . -")
        if name in seen:
            yield Problem(f"{at}/name", f"{quoted(name)} is used by another link too", "give each link its own name")
        seen.setdefault(name, at)


def _bonds(model: NetworkModel) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for n, bond in enumerate(model.bonds):
        at = f"/bonds/{n}"
        if bond.mode not in _MODES:
            yield Problem(f"{at}/mode", f"{quoted(bond.mode)} is not a bond's mode", f"one of: {', '.join(_MODES)}")
        if not bond.members:
            yield Problem(f"{at}/members", "a bond needs a card", "say at each of its networks which bond it is in")
        for m, mac in enumerate(bond.members):
            yield from _member(model, bond, mac.lower(), f"{at}/members/{m}", taken)


def _member(model: NetworkModel, bond: Bond, mac: str, at: str, taken: dict[str, str]) -> Iterator[Problem]:
    nic = model.nic(mac)
    if nic is None:
        yield Problem(at, f"no link has the MAC {quoted(mac)}", "name the MAC of one of the networks")
    elif mac in taken:
        yield Problem(at, f"{quoted(mac)} is in a bond already (see {taken[mac]})", "a card is in one bond at most")
    elif nic.configured or nic.routes:
        yield Problem(at, f"{quoted(mac)} has addresses of its own", f"give them to the bond {quoted(bond.name)}")
    taken.setdefault(mac, at)


def _vlans(model: NetworkModel) -> Iterator[Problem]:
    seen: dict[tuple[str, int], str] = {}
    for n, vlan in enumerate(model.vlans):
        at, key = f"/vlans/{n}", (vlan.over.lower(), vlan.id)
        if not 1 <= vlan.id <= 4094:
            yield Problem(f"{at}/id", f"{vlan.id} is not a VLAN's number", "1 to 4094")
        if key in seen:
            detail = f"VLAN {vlan.id} on {quoted(vlan.over)} is there already (see {seen[key]})"
            yield Problem(f"{at}/id", detail, "put its addresses together")
        seen.setdefault(key, at)
        yield from _over(model, vlan, at)


def _over(model: NetworkModel, vlan: Vlan, at: str) -> Iterator[Problem]:
    parent = model.parent(vlan)
    if parent is None:
        yield Problem(f"{at}/over", f"no link is called {quoted(vlan.over)}", "name a bond or a card, like eth0")
    elif not isinstance(parent, Bond) and (bond := model.bond_of(parent)):
        yield Problem(
            f"{at}/over", f"{quoted(vlan.over)} is in the bond {quoted(bond.name)}", f"say {quoted(bond.name)}"
        )
