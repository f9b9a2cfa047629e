# SPDX-License-Identifier: Apache-2.0
"""cloud-init's network-config version 2, in the part every renderer since 22.4 takes.

Links are matched by MAC and named by set-name. Default routes are written 0.0.0.0/0 and ::/0: the word `default`
raises in cloud-init 22.4's renderers.
"""

from collections.abc import Sequence
from typing import Any

from services.common.contracts.errors import Problem
from services.common.contracts.network import Nic
from services.imagebuilder.dialects import words
from services.imagebuilder.documents import yaml_document


def render(nics: Sequence[Nic], hostname: str) -> bytes:
    """The network-config file. The host's name is none of its business."""
    words.checked(nics, _inexpressible(nics))
    ethernets = {words.link_name(nic, index): _ethernet(nic, index) for index, nic in enumerate(nics)}
    return yaml_document({"version": 2, "ethernets": ethernets})


def _inexpressible(nics: Sequence[Nic]) -> list[Problem]:
    problems = []
    for index, nic in enumerate(nics):
        if not nic.default_route and (nic.accept_ra or nic.dhcp6):
            detail = "IPv6 by router advertisement without its default route can't be written for cloud-init"
            fix = "leave default_route out, or give the link static IPv6 addresses"
            problems.append(Problem(f"/networks/{index}/default_route", detail, fix))
    return problems


def _ethernet(nic: Nic, index: int) -> dict[str, Any]:
    link: dict[str, Any] = {"match": {"macaddress": words.mac(nic)}, "set-name": words.link_name(nic, index)}
    if nic.mtu:
        link["mtu"] = nic.mtu
    if not nic.configured:
        # Named and sized, and else left alone; nothing may wait for it.
        return {**link, "optional": True}
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


def _routes(nic: Nic) -> list[dict[str, Any]]:
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
