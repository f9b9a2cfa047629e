# SPDX-License-Identifier: Apache-2.0
"""One link's part in IP: what was asked for, with the defaults of the network it is plugged into. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, NetworkPlan, Route

JsonDict = dict[str, Any]
EVERYWHERE = ("0.0.0.0/0", "::/0")
# Behind a VLAN's tag, and in an unknown network: nothing is known of it, so nothing is taken from it.
ELSEWHERE = NetworkPlan("", "", "bridge")


def method_of(link: JsonDict, net: NetworkPlan) -> str:
    """What was asked for, or what follows from addresses and network."""
    if "method" in link:
        return str(link["method"])
    if link["addresses"]:
        return "static"
    return "dhcp" if net.dhcp_start or net.kind == "bridge" else "none"


def routes_by_default(link: JsonDict, net: NetworkPlan) -> bool:
    """Whether this link brings an IPv4 default route without our adding one."""
    if link.get("gateway") or any(route["to"] == EVERYWHERE[0] for route in link["routes"]):
        return True
    return method_of(link, net) == "dhcp" and net.kind != "isolated" and link["default_route"]


def addressing(link: JsonDict, net: NetworkPlan, takes_default: bool) -> JsonDict:
    """The values of Addressing; `takes_default`: no other link has a default route, so the network's may be taken."""
    static = method_of(link, net) == "static"
    gateway = link.get("gateway") or ""
    if "gateway" not in link and static and takes_default and link["default_route"] and _holds(link, net.gateway):
        gateway = net.gateway
    v6 = ":" in gateway
    learns = method_of(link, net) == "dhcp" or link["method6"] != "none"
    return {
        "dhcp4": method_of(link, net) == "dhcp",
        "dhcp6": link["method6"] == "dhcp",
        "accept_ra": link["method6"] == "slaac",
        "addresses": tuple(link["addresses"]),
        "gateway4": "" if v6 else gateway,
        "gateway6": link.get("gateway6") or (gateway if v6 else ""),
        "routes": tuple(Route(r["to"], r["via"], r["metric"]) for r in link["routes"]),
        "dns": tuple(link.get("dns", net.dns if static else ())),
        "search": tuple(link["search"]),
        "mtu": link.get("mtu", 0),
        # A link that learns no route has none to ignore.
        "default_route": link["default_route"] or not learns,
    }


def _holds(link: JsonDict, gateway: str) -> bool:
    """Whether one of the link's subnets holds the gateway."""
    if not gateway:
        return False
    for text in link["addresses"]:
        try:
            if ip_address(gateway) in ip_interface(text).network:
                return True
        except ValueError:
            continue
    return False


def method_problems(link: JsonDict, net: NetworkPlan, at: str) -> Iterator[Problem]:
    """What contradicts itself, or the network."""
    method = method_of(link, net)
    if method == "dhcp" and not net.dhcp_start and net.kind != "bridge":
        yield Problem(f"{at}/method", f"network {net.name!r} has no DHCP server", _example(net))
    if method == "static" and not link["addresses"]:
        yield Problem(f"{at}/addresses", "a static link needs an address", _example(net))
    if method == "none" and link["addresses"]:
        yield Problem(f"{at}/method", "a link with addresses is not of method none", "use static, or leave method out")
    if not link["default_route"]:
        for field in ("gateway", "gateway6"):
            if link.get(field):
                detail = "a link without a default route has no gateway"
                yield Problem(f"{at}/{field}", detail, "leave it out, or default_route; other routes go into routes")


def _example(net: NetworkPlan) -> str:
    if not net.cidr:
        return "give a static address with its prefix length"
    network = ip_network(net.cidr)
    return f"give a static address of {net.cidr}, like {network.network_address + 10}/{network.prefixlen}"


def on_network(link: Addressing, net: NetworkPlan, at: str) -> Iterator[Problem]:
    """Addresses that the network doesn't have to give."""
    if not net.cidr:
        return
    network = ip_network(net.cidr)
    for n, text in enumerate(link.addresses):
        try:
            interface = ip_interface(text)
        except ValueError:
            continue  # network_problems says so already
        if interface.version != network.version or "/" not in text:
            continue
        where = f"{at}/addresses/{n}"
        if interface.ip not in network:
            yield Problem(where, f"{interface.ip} is outside network {net.name!r} ({net.cidr})", _example(net))
        elif interface.network.prefixlen != network.prefixlen:
            fix = f'write "{interface.ip}/{network.prefixlen}"'
            yield Problem(where, f"/{interface.network.prefixlen} is not the prefix of {net.cidr}", fix)
        elif net.gateway and interface.ip == ip_address(net.gateway):
            yield Problem(where, f"{interface.ip} is the gateway of network {net.name!r}", "choose another address")
        elif net.dhcp_start and _between(str(interface.ip), net.dhcp_start, net.dhcp_end):
            detail = f"{interface.ip} is in the DHCP range {net.dhcp_start} to {net.dhcp_end}"
            yield Problem(where, detail, "choose an address outside the range")


def _between(address: str, first: str, last: str) -> bool:
    return int(ip_address(first)) <= int(ip_address(address)) <= int(ip_address(last))
