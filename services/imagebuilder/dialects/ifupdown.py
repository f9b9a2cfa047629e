# SPDX-License-Identifier: Apache-2.0
"""Debian's /etc/network/interfaces, as ifupdown of Debian 11 to 13 reads it (interfaces(5)).

Each link begins with a `manual` stanza that makes it, sizes it and brings it up; the others only add addresses.
Bonds and VLANs are made with plain ip(8), so the packages ifenslave and vlan aren't needed while installing.
Names are given by MAC in systemd .link files (debian_target.py), not by `rename mac/...`: ifupdown compares the MAC at
every ifup, and a VLAN has its card's MAC.

It can't say: DHCPv6 without its default route (the client takes it from router advertisements itself), and own name
servers beside DHCP (without resolvconf the DHCP client writes /etc/resolv.conf alone).
"""

from collections.abc import Iterator

from services.common.contracts.addresses import ip_address, ip_interface
from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, BondMode, Link, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words

_HEAD = "auto lo\niface lo inet loopback\n"
_IPV6 = "/proc/sys/net/ipv6/conf"


def render(model: NetworkModel, hostname: str) -> bytes:
    """The file /etc/network/interfaces. The host's name is none of its business."""
    words.checked(model, list(_inexpressible(model)))
    links: list[Link] = [link for _, _, link in model.links()]
    # A bond's cards are made ready by the bond.
    own = [link for link in links if not (isinstance(link, Nic) and model.bond_of(link))]
    return (_HEAD + "".join("\n" + "\n".join(_link(model, link)) + "\n" for link in own)).encode("ascii")


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    asks = any(link.dhcp4 or link.dhcp6 for _, _, link in model.links())
    for at, _, link in model.links():
        if link.dhcp6 and not link.default_route:
            detail = "DHCPv6 without the router's default route can't be written for ifupdown"
            yield Problem(f"{at}/default_route", detail, "leave default_route out, or use accept_ra without dhcp6")
        for field in ("dns", "search"):
            if asks and getattr(link, field):
                detail = "with ifupdown a DHCP client writes /etc/resolv.conf by itself"
                yield Problem(f"{at}/{field}", detail, f"let DHCP give {field}, or make every link static")


def _link(model: NetworkModel, link: Link) -> Iterator[str]:
    name = model.name_of(link)
    yield f"auto {name}"
    yield f"iface {name} inet manual"
    yield from (f"    pre-up {line}" for line in _making(model, link, name))
    if link.mtu:
        yield f"    pre-up ip link set dev {name} mtu {int(link.mtu)}"
    yield from (f"    pre-up {line}" for line in _advertisements(link, name))
    yield f"    up ip link set dev {name} up"
    if not isinstance(link, Nic):
        yield f"    post-down ip link delete dev {name}"
    yield from _addressing(link, name)


def _making(model: NetworkModel, link: Link, name: str) -> Iterator[str]:
    if isinstance(link, Bond):
        # systemd's modprobe.d says max_bonds=0, so loading the driver doesn't make a bond0 of its own.
        rate = " lacp_rate fast" if link.mode == BondMode.LACP else ""
        yield f"ip link add name {name} type bond mode {link.mode} miimon 100{rate}"
        for nic in (nic for nic in model.nics if model.bond_of(nic) is link):
            card = model.nic_name(nic)
            yield f"ip link set dev {card} down"
            if nic.mtu:
                yield f"ip link set dev {card} mtu {int(nic.mtu)}"
            yield f"ip link set dev {card} master {name}"
    if isinstance(link, Vlan):
        parent = model.parent(link)
        assert parent is not None  # checked
        yield f"ip link add link {model.name_of(parent)} name {name} type vlan id {int(link.id)}"


def _advertisements(link: Addressing, name: str) -> Iterator[str]:
    """The kernel believes routers unless told not to; where there is no IPv6 there is nothing to tell."""
    switches = {"accept_ra": link.accept_ra or link.dhcp6, "autoconf": link.accept_ra}
    if link.accept_ra and not link.default_route:
        switches["accept_ra_defrtr"] = False
    for switch, on in switches.items():
        file = f"{_IPV6}/{name}/{switch}"
        yield f"[ ! -e {file} ] || echo {int(on)} >{file}"


def _addressing(link: Addressing, name: str) -> Iterator[str]:
    if link.dhcp4:
        yield f"iface {name} inet dhcp"
        yield from _routes(link, name, 4) if not _of(link, 4) else ()
    yield from _static(link, name, 4)
    if link.dhcp6:
        yield f"iface {name} inet6 dhcp"
        yield "    accept_ra 1"
        yield from _routes(link, name, 6) if not _of(link, 6) else ()
    elif link.accept_ra and not _of(link, 6):
        yield f"iface {name} inet6 auto"
        yield "    accept_ra 1"
        yield from _routes(link, name, 6)
    yield from _static(link, name, 6)


def _of(link: Addressing, version: int) -> list[str]:
    return [words.interface(text) for text in link.addresses if ip_interface(text).version == version]


def _static(link: Addressing, name: str, version: int) -> Iterator[str]:
    """One stanza an address. Gateway and routes are in the last one, when every subnet is there."""
    addresses = _of(link, version)
    for address in addresses:
        yield f"iface {name} inet{'6' if version == 6 else ''} static"
        yield f"    address {address}"
        if version == 6:
            yield f"    accept_ra {int(link.accept_ra or link.dhcp6)}"
            yield f"    autoconf {int(link.accept_ra)}"
        if address == addresses[-1]:
            gateway = link.gateway6 if version == 6 else link.gateway4
            if gateway:
                yield f"    gateway {words.address(gateway)}"
            yield from _routes(link, name, version)
        if address == addresses[0]:
            yield from _names(link, version)


def _routes(link: Addressing, name: str, version: int) -> Iterator[str]:
    for route in link.routes:
        via = words.address(route.via)
        if ip_address(via).version == version:
            metric = "" if route.metric is None else f" metric {int(route.metric)}"
            family = "-6 " if version == 6 else ""
            yield f"    up ip {family}route add {words.network(route.to)} via {via} dev {name}{metric}"


def _names(link: Addressing, version: int) -> Iterator[str]:
    """For resolvconf, should it be installed later; once a link, in its first stanza."""
    if version == 6 and _of(link, 4):
        return
    if link.dns:
        yield "    dns-nameservers " + " ".join(words.address(server) for server in link.dns)
    if link.search:
        yield "    dns-search " + " ".join(link.search)
