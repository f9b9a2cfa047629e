# SPDX-License-Identifier: Apache-2.0
"""The rules that make a network possible: what is wrong with it is named by field, with the way out."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from services.common.contracts.addresses import ip_address, ip_interface, ip_network
from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, NetworkModel, Nic, Route
from services.common.contracts.network_stacking import stacking_problems
from services.common.contracts.quoting import quoted


def network_problems(model: NetworkModel) -> list[Problem]:
    """Everything that is wrong with these links, each naming its field; an empty list means they can work."""
    problems = [p for at, _, link in model.links() for p in _link_problems(link, at)]
    problems += _duplicate_macs(model.nics)
    problems += _duplicates(model)
    problems += _default_routes(model)
    return problems + stacking_problems(model)


def _interfaces(link: Addressing) -> list[IPv4Interface | IPv6Interface]:
    found = []
    for text in link.addresses:
        try:
            found.append(ip_interface(text))
        except ValueError:
            continue
    return found


def _link_problems(link: Addressing, at: str) -> Iterator[Problem]:
    for n, text in enumerate(link.addresses):
        yield from _address_problems(text, f"{at}/addresses/{n}")
    for field, version in (("gateway4", 4), ("gateway6", 6)):
        value = getattr(link, field)
        if value:
            yield from _gateway_problems(link, value, version, f"{at}/gateway")
    for n, route in enumerate(link.routes):
        yield from _route_problems(link, route, f"{at}/routes/{n}")
    for n, server in enumerate(link.dns):
        if not _is_address(server):
            yield Problem(f"{at}/dns/{n}", f"{quoted(server)} is not an IP address", "give a DNS server's IP address")
    if link.mtu and not 576 <= link.mtu <= 9216:
        yield Problem(f"{at}/mtu", f"{link.mtu} is out of range", "576 to 9216, or leave it out")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return not _scoped(text)


def _scoped(text: str) -> bool:
    # What Python takes behind the % of fe80::1%eth0 may be any text at all, line ends included.
    return "%" in text


def _address_problems(text: str, at: str) -> Iterator[Problem]:
    try:
        interface = ip_interface(text)
    except ValueError:
        yield Problem(at, f"{quoted(text)} is not an IP address with a prefix length", 'write it like "192.0.2.10/24"')
        return
    if _scoped(text):
        yield Problem(at, f"{quoted(text)} names a link behind %", "leave the % and what follows out")
    elif "/" not in text:
        yield Problem(at, f"{quoted(text)} has no prefix length", f'write it like "{text}/24"')
    elif interface.ip.is_loopback or interface.ip.is_multicast or interface.ip.is_unspecified:
        yield Problem(at, f"{text} is not an address a host can have", "use a unicast address of the network")
    elif _is_network_itself(interface):
        yield Problem(at, f"{text} is the network's own or its broadcast address", "use a host address")


def _is_network_itself(interface: IPv4Interface | IPv6Interface) -> bool:
    if interface.version == 6 or interface.network.prefixlen >= 31:
        return False
    return interface.ip in (interface.network.network_address, interface.network.broadcast_address)


def _gateway_problems(link: Addressing, value: str, version: int, at: str) -> Iterator[Problem]:
    if not _is_address(value):
        yield Problem(at, f"{quoted(value)} is not an IP address", "give the router's IP address")
        return
    gateway = ip_address(value)
    if gateway.version == 6 and gateway.is_link_local:
        return
    links = [i for i in _interfaces(link) if i.version == version]
    if not any(gateway in i.network for i in links):
        where = ", ".join(str(i.network) for i in links) or "no subnet of this link"
        yield Problem(at, f"gateway {value} is outside the link's subnet ({where})", "use a router on the link")
    elif any(gateway == i.ip for i in links):
        yield Problem(at, f"gateway {value} is the link's own address", "use the router's address")


def _route_problems(link: Addressing, route: Route, at: str) -> Iterator[Problem]:
    try:
        target = ip_network(route.to)
    except ValueError as error:
        detail = f"{quoted(route.to)} is not a network: {str(error)[:200]}"
        yield Problem(f"{at}/to", detail, 'write it like "198.51.100.0/24"')
        return
    if _scoped(route.to):
        yield Problem(f"{at}/to", f"{quoted(route.to)} names a link behind %", "leave the % and what follows out")
        return
    if not _is_address(route.via):
        yield Problem(f"{at}/via", f"{quoted(route.via)} is not an IP address", "give the router's IP address")
        return
    via = ip_address(route.via)
    if via.version != target.version:
        yield Problem(f"{at}/via", "the router's and the target's IP versions differ", "use the same IP version")
    elif link.addresses and not any(via in i.network for i in _interfaces(link)):
        yield Problem(f"{at}/via", f"{route.via} is not on the link", "use a router in one of the link's subnets")


def _duplicate_macs(nics: Sequence[Nic]) -> Iterator[Problem]:
    macs: dict[str, int] = {}
    for i, nic in enumerate(nics):
        mac = nic.mac.lower()
        if mac and mac in macs:
            detail = f"{quoted(mac)} is used by link {macs[mac]} too"
            yield Problem(f"/networks/{i}/mac", detail, "give each link its own MAC")
        macs.setdefault(mac, i)


def _duplicates(model: NetworkModel) -> Iterator[Problem]:
    addresses: dict[str, str] = {}
    for at, _, link in model.links():
        for n, interface in enumerate(_interfaces(link)):
            where, key = f"{at}/addresses/{n}", str(interface.ip)
            if key in addresses:
                detail = f"{key} is given twice (see {addresses[key]})"
                yield Problem(where, detail, "give each link its own address")
            addresses.setdefault(key, where)


def _default_routes(model: NetworkModel) -> Iterator[Problem]:
    for version, field in ((4, "gateway4"), (6, "gateway6")):
        seen: dict[int, str] = {}
        for at, _, link in model.links():
            wants = [(f"{at}/gateway", 0)] if getattr(link, field) else []
            for n, route in enumerate(link.routes):
                if route.to in ("0.0.0.0/0", "::/0") and (":" in route.to) == (version == 6):
                    wants.append((f"{at}/routes/{n}", route.metric or 0))
            for where, metric in wants:
                if metric in seen:
                    detail = f"a second IPv{version} default route with the same metric (see {seen[metric]})"
                    yield Problem(where, detail, "keep one gateway, or give the routes different metrics")
                seen.setdefault(metric, where)
