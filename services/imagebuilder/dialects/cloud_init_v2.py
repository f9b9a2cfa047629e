# SPDX-License-Identifier: Apache-2.0
"""cloud-init's network-config version 2, in the part every renderer since 22.4 takes.

Links are matched by MAC and named by set-name; a guest's only card, where nobody knows its MAC, by the names that
kernel and udev give to Ethernet cards (eth0, enp1s0). Default routes are written 0.0.0.0/0 and ::/0: the word `default`
raises in cloud-init 22.4's renderers.
"""

from typing import Any

from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, BondMode, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words
from services.imagebuilder.documents import yaml_document

_ETHERNET = "e*"


def render(model: NetworkModel, hostname: str) -> bytes:
    """The network-config file. The host's name is none of its business."""
    return yaml_document(document(model))


def document(model: NetworkModel) -> dict[str, Any]:
    """Version 2 as plain values, which netplan takes as well."""
    words.checked(model, _inexpressible(model), takes_any_card=True)
    written: dict[str, Any] = {
        "version": 2,
        "ethernets": {model.nic_name(nic): _ethernet(model, nic) for nic in model.nics},
    }
    if model.bonds:
        written["bonds"] = {bond.name: _bond(model, bond) for bond in model.bonds}
    if model.vlans:
        written["vlans"] = {vlan.name: _vlan(model, vlan) for vlan in model.vlans}
    return written


def _inexpressible(model: NetworkModel) -> list[Problem]:
    problems = []
    for at, _, link in model.links():
        if not link.default_route and (link.accept_ra or link.dhcp6):
            detail = "IPv6 by router advertisement without its default route can't be written for cloud-init"
            fix = "leave default_route out, or give the link static IPv6 addresses"
            problems.append(Problem(f"{at}/default_route", detail, fix))
    return problems


def _ethernet(model: NetworkModel, nic: Nic) -> dict[str, Any]:
    link: dict[str, Any] = {"match": {"macaddress": words.mac(nic)}, "set-name": model.nic_name(nic)}
    if words.any_card(model):
        link = {"match": {"name": _ETHERNET}}  # cloud-init renames by MAC alone
    if model.bond_of(nic):
        return {**link, **_mtu(nic)}
    if not nic.configured:
        # Named and sized, and else left alone; nothing may wait for it.
        return {**link, **_mtu(nic), "optional": True}
    return {**link, **_addressing(nic)}


def _bond(model: NetworkModel, bond: Bond) -> dict[str, Any]:
    cards = [model.nic_name(nic) for nic in model.nics if model.bond_of(nic) is bond]
    parameters: dict[str, Any] = {"mode": bond.mode, "mii-monitor-interval": 100}
    if bond.mode == BondMode.LACP:
        parameters["lacp-rate"] = "fast"
    return {"interfaces": cards, "parameters": parameters, **_addressing(bond)}


def _vlan(model: NetworkModel, vlan: Vlan) -> dict[str, Any]:
    parent = model.parent(vlan)
    assert parent is not None  # checked
    return {"id": vlan.id, "link": model.name_of(parent), **_addressing(vlan)}


def _mtu(link: Addressing) -> dict[str, Any]:
    return {"mtu": link.mtu} if link.mtu else {}


def _addressing(nic: Addressing) -> dict[str, Any]:
    link: dict[str, Any] = _mtu(nic)
    link["dhcp4"] = nic.dhcp4
    link["dhcp6"] = nic.dhcp6
    link["accept-ra"] = nic.accept_ra or nic.dhcp6
    if nic.dhcp4 and not nic.default_route:
        link["dhcp4-overrides"] = {"use-routes": False}
    if nic.addresses:
        link["addresses"] = [words.interface(text) for text in nic.addresses]
    routes = _routes(nic)
    if routes:
        link["routes"] = routes
    servers = {"addresses": [words.address(text) for text in nic.dns], "search": list(nic.search)}
    if any(servers.values()):
        link["nameservers"] = {key: value for key, value in servers.items() if value}
    return link


def _routes(nic: Addressing) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = []
    if nic.gateway4:
        routes.append({"to": "0.0.0.0/0", "via": words.address(nic.gateway4)})
    if nic.gateway6:
        routes.append({"to": "::/0", "via": words.address(nic.gateway6)})
    for route in nic.routes:
        written: dict[str, Any] = {"to": words.network(route.to), "via": words.address(route.via)}
        if route.metric is not None:
            written["metric"] = route.metric
        routes.append(written)
    return routes
