# SPDX-License-Identifier: Apache-2.0
"""The network model: what a guest's links shall look like, keyed by MAC, and the rules that make it possible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from services.common.contracts.errors import Problem


@dataclass(frozen=True)
class Route:
    """A static route; `to` is a CIDR ("0.0.0.0/0" is the default), `via` an address on the link."""

    to: str
    via: str
    metric: int | None = None


@dataclass(frozen=True)
class Nic:
    """One link of a guest. `network` is the id of the platform's network it is plugged into."""

    mac: str
    network: str
    name: str = ""  # the link's name in the guest, eth0, eth1, ... when empty
    dhcp4: bool = False
    dhcp6: bool = False
    accept_ra: bool = False
    addresses: tuple[str, ...] = ()  # CIDRs, v4 and v6
    gateway4: str = ""
    gateway6: str = ""
    routes: tuple[Route, ...] = ()
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    mtu: int = 0  # 0: the network's own
    default_route: bool = True  # False: a DHCP server's default route is ignored

    @property
    def configured(self) -> bool:
        """Whether the guest shall do anything with this link."""
        return bool(self.dhcp4 or self.dhcp6 or self.accept_ra or self.addresses)


class NetworkKind:
    """How a network reaches the world."""

    NAT = "nat"  # a private bridge with DHCP, masqueraded by the host
    ISOLATED = "isolated"  # a private bridge, no way out
    BRIDGE = "bridge"  # an existing bridge of the host


@dataclass(frozen=True)
class NetworkPlan:
    """What a host must know to plug a NIC in: our network, on that host."""

    id: str
    name: str
    kind: str  # NetworkKind
    cidr: str = ""
    gateway: str = ""  # the host's own address on it ("" on isolated networks without one)
    dhcp_start: str = ""  # "" = no DHCP server
    dhcp_end: str = ""
    dns: tuple[str, ...] = ()
    bridge: str = ""  # kind bridge: its name on the host
    mtu: int = 0


def network_problems(nics: Sequence[Nic], pointer: str = "/networks") -> list[Problem]:
    """Everything that is wrong with these links, each naming its field; an empty list means they can work."""
    problems = [p for i, nic in enumerate(nics) for p in _link_problems(nic, f"{pointer}/{i}")]
    problems += _duplicates(nics, pointer)
    problems += _default_routes(nics, pointer)
    return problems


def _interfaces(nic: Nic) -> list[IPv4Interface | IPv6Interface]:
    found = []
    for text in nic.addresses:
        try:
            found.append(ip_interface(text))
        except ValueError:
            continue
    return found


def _link_problems(nic: Nic, at: str) -> Iterator[Problem]:
    for n, text in enumerate(nic.addresses):
        yield from _address_problems(text, f"{at}/addresses/{n}")
    for field, version in (("gateway4", 4), ("gateway6", 6)):
        value = getattr(nic, field)
        if value:
            yield from _gateway_problems(nic, value, version, f"{at}/gateway")
    for n, route in enumerate(nic.routes):
        yield from _route_problems(nic, route, f"{at}/routes/{n}")
    for n, server in enumerate(nic.dns):
        if not _is_address(server):
            yield Problem(f"{at}/dns/{n}", f"{server!r} is not an IP address", "give a DNS server's IP address")
    if nic.mtu and not 576 <= nic.mtu <= 9216:
        yield Problem(f"{at}/mtu", f"{nic.mtu} is out of range", "576 to 9216, or leave it out")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _address_problems(text: str, at: str) -> Iterator[Problem]:
    try:
        interface = ip_interface(text)
    except ValueError:
        yield Problem(at, f"{text!r} is not an IP address with a prefix length", 'write it like "192.0.2.10/24"')
        return
    if "/" not in text:
        yield Problem(at, f"{text!r} has no prefix length", f'write it like "{text}/24"')
    elif interface.ip.is_loopback or interface.ip.is_multicast or interface.ip.is_unspecified:
        yield Problem(at, f"{text} is not an address a host can have", "use a unicast address of the network")
    elif _is_network_itself(interface):
        yield Problem(at, f"{text} is the network's own or its broadcast address", "use a host address")


def _is_network_itself(interface: IPv4Interface | IPv6Interface) -> bool:
    if interface.version == 6 or interface.network.prefixlen >= 31:
        return False
    return interface.ip in (interface.network.network_address, interface.network.broadcast_address)


def _gateway_problems(nic: Nic, value: str, version: int, at: str) -> Iterator[Problem]:
    if not _is_address(value):
        yield Problem(at, f"{value!r} is not an IP address", "give the router's IP address")
        return
    gateway = ip_address(value)
    if gateway.version == 6 and gateway.is_link_local:
        return
    links = [i for i in _interfaces(nic) if i.version == version]
    if not any(gateway in i.network for i in links):
        where = ", ".join(str(i.network) for i in links) or "no subnet of this link"
        yield Problem(at, f"gateway {value} is outside the link's subnet ({where})", "use a router on the link")
    elif any(gateway == i.ip for i in links):
        yield Problem(at, f"gateway {value} is the link's own address", "use the router's address")


def _route_problems(nic: Nic, route: Route, at: str) -> Iterator[Problem]:
    try:
        target = ip_network(route.to)
    except ValueError as error:
        yield Problem(f"{at}/to", f"{route.to!r} is not a network: {error}", 'write it like "198.51.100.0/24"')
        return
    if not _is_address(route.via):
        yield Problem(f"{at}/via", f"{route.via!r} is not an IP address", "give the router's IP address")
        return
    via = ip_address(route.via)
    if via.version != target.version:
        yield Problem(f"{at}/via", "the router's and the target's IP versions differ", "use the same IP version")
    elif nic.addresses and not any(via in i.network for i in _interfaces(nic)):
        yield Problem(f"{at}/via", f"{route.via} is not on the link", "use a router in one of the link's subnets")


def _duplicates(nics: Sequence[Nic], pointer: str) -> Iterator[Problem]:
    macs: dict[str, int] = {}
    addresses: dict[str, str] = {}
    for i, nic in enumerate(nics):
        mac = nic.mac.lower()
        if mac and mac in macs:
            yield Problem(f"{pointer}/{i}/mac", f"{mac} is used by link {macs[mac]} too", "give each link its own MAC")
        macs.setdefault(mac, i)
        for n, interface in enumerate(_interfaces(nic)):
            at, key = f"{pointer}/{i}/addresses/{n}", str(interface.ip)
            if key in addresses:
                yield Problem(at, f"{key} is given twice (see {addresses[key]})", "give each link its own address")
            addresses.setdefault(key, at)


def _default_routes(nics: Sequence[Nic], pointer: str) -> Iterator[Problem]:
    for version, field in ((4, "gateway4"), (6, "gateway6")):
        seen: dict[int, str] = {}
        for i, nic in enumerate(nics):
            wants = [(f"{pointer}/{i}/gateway", 0)] if getattr(nic, field) else []
            for n, route in enumerate(nic.routes):
                if route.to in ("0.0.0.0/0", "::/0") and (":" in route.to) == (version == 6):
                    wants.append((f"{pointer}/{i}/routes/{n}", route.metric or 0))
            for at, metric in wants:
                if metric in seen:
                    detail = f"a second IPv{version} default route with the same metric (see {seen[metric]})"
                    yield Problem(at, detail, "keep one gateway, or give the routes different metrics")
                seen.setdefault(metric, at)
