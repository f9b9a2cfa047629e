# SPDX-License-Identifier: Apache-2.0
"""The links of a vm to be made: what was asked for, on the platform's networks, with every default filled in. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkModel, NetworkPlan, Nic, Route
from services.common.contracts.network_rules import network_problems
from services.common.contracts.vm import nic_mac

JsonDict = dict[str, Any]
NONE = "none"


def links(
    vm_id: str, asked: Sequence[JsonDict], nets: Mapping[str, NetworkPlan]
) -> tuple[tuple[Nic, ...], list[Problem]]:
    """The NICs and everything that is wrong with them; `nets` is by name and by id."""
    if len(asked) == 1 and asked[0]["network"] == NONE:
        return (), []
    problems: list[Problem] = []
    nics: list[Nic] = []
    takes_default = not any(_routes_by_default(link, nets.get(link["network"])) for link in asked)
    for n, link in enumerate(asked):
        at = f"/networks/{n}"
        net = nets.get(link["network"])
        if net is None:
            problems.append(_unknown(link["network"], nets, f"{at}/network"))
            net = NetworkPlan("", "", "bridge")
        else:
            problems += _method_problems(link, net, at)
        nic = _nic(link, net, link.get("mac", "").lower() or nic_mac(vm_id, n), takes_default)
        takes_default = takes_default and not (nic.gateway4 or nic.gateway6)
        nics.append(nic)
        problems += _on_network(nic, net, at)
    return tuple(nics), network_problems(NetworkModel(tuple(nics))) + problems


def _unknown(name: str, nets: Mapping[str, NetworkPlan], pointer: str) -> Problem:
    names = sorted({net.name for net in nets.values()})
    if name == NONE:
        return Problem(pointer, '"none" stands for no NIC at all', "let it be the only entry, or leave it out")
    near = get_close_matches(name, names, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(names) or 'none exist'}"
    return Problem(pointer, f"there is no network {name!r}", fix)


def method_of(link: JsonDict, net: NetworkPlan | None) -> str:
    """What was asked for, or what follows from addresses and network."""
    if "method" in link:
        return str(link["method"])
    if link["addresses"]:
        return "static"
    return "dhcp" if net is None or net.dhcp_start or net.kind == "bridge" else "none"


def _routes_by_default(link: JsonDict, net: NetworkPlan | None) -> bool:
    """Whether this link brings a default route without our adding one."""
    if link.get("gateway") or any(route["to"] == "0.0.0.0/0" for route in link["routes"]):
        return True
    return method_of(link, net) == "dhcp" and (net is None or net.kind != "isolated")


def _nic(link: JsonDict, net: NetworkPlan, mac: str, takes_default: bool) -> Nic:
    method = method_of(link, net)
    static = method == "static"
    gateway = link.get("gateway") or ""
    if "gateway" not in link and static and takes_default and _holds(link, net.gateway):
        gateway = net.gateway
    v6 = ":" in gateway
    return Nic(
        mac=mac,
        network=net.id,
        dhcp4=method == "dhcp",
        addresses=tuple(link["addresses"]),
        gateway4="" if v6 else gateway,
        gateway6=link.get("gateway6") or (gateway if v6 else ""),
        routes=tuple(Route(r["to"], r["via"], r["metric"]) for r in link["routes"]),
        dns=tuple(link.get("dns", net.dns if static else ())),
        search=tuple(link["search"]),
        mtu=link.get("mtu", 0),
    )


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


def _method_problems(link: JsonDict, net: NetworkPlan, at: str) -> Iterator[Problem]:
    method = method_of(link, net)
    if method == "dhcp" and not net.dhcp_start and net.kind != "bridge":
        yield Problem(f"{at}/method", f"network {net.name!r} has no DHCP server", _example(net))
    if method == "static" and not link["addresses"]:
        yield Problem(f"{at}/addresses", "a static link needs an address", _example(net))
    if method == "none" and link["addresses"]:
        yield Problem(f"{at}/method", "a link with addresses is not of method none", "use static, or leave method out")


def _example(net: NetworkPlan) -> str:
    if not net.cidr:
        return "give a static address with its prefix length"
    network = ip_network(net.cidr)
    return f"give a static address of {net.cidr}, like {network.network_address + 10}/{network.prefixlen}"


def _on_network(nic: Nic, net: NetworkPlan, at: str) -> Iterator[Problem]:
    if not net.cidr:
        return
    network = ip_network(net.cidr)
    for n, text in enumerate(nic.addresses):
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
