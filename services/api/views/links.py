# SPDX-License-Identifier: Apache-2.0
"""The links of a vm as they are shown: cards, bonds and VLANs, as asked for."""

from collections.abc import Mapping
from typing import Any

from services.api.views.names import Names

JsonDict = dict[str, Any]


def links_view(spec: Mapping[str, Any], names: Names) -> JsonDict:
    """`nics`, `bonds` and `vlans` of a specification."""
    bonds, vlans = spec.get("bonds", ()), spec.get("vlans", ())
    cards = {nic["mac"]: nic["name"] or f"eth{n}" for n, nic in enumerate(spec["nics"])}
    bond_of = {mac: bond["name"] for bond in bonds for mac in bond["members"]}
    return {
        "nics": [_nic(nic, cards, bond_of, names) for nic in spec["nics"]],
        "bonds": [
            {"name": bond["name"], "mode": bond["mode"], "members": bond["members"], **_addressing(bond)}
            for bond in bonds
        ],
        "vlans": [
            {"name": v["name"], "id": v["id"], "over": cards.get(v["over"], v["over"]), **_addressing(v)} for v in vlans
        ],
    }


def _nic(nic: Mapping[str, Any], cards: Mapping[str, str], bond_of: Mapping[str, str], names: Names) -> JsonDict:
    return {
        "mac": nic["mac"],
        "name": cards[nic["mac"]],
        "network": names.networks.get(nic["network"], nic["network"]),
        "network_id": nic["network"],
        "bond": bond_of.get(nic["mac"], ""),
        **_addressing(nic),
    }


def _addressing(link: Mapping[str, Any]) -> JsonDict:
    return {
        "method": "dhcp" if link["dhcp4"] else "static" if link["addresses"] else "none",
        "method6": "dhcp" if link["dhcp6"] else "slaac" if link["accept_ra"] else "none",
        "addresses": link["addresses"],
        "gateway": link["gateway4"] or link["gateway6"],
        "gateway6": link["gateway6"],
        "default_route": link["default_route"],
        "routes": link["routes"],
        "dns": link["dns"],
        "search": link["search"],
        "mtu": link["mtu"],
    }
