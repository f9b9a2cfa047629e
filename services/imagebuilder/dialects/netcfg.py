# SPDX-License-Identifier: Apache-2.0
"""debian-installer's own network, as preseed lines for netcfg: what it fetches packages by, and no more than that.

netcfg sets up one card with one address (installation guide, B.4.2), chosen here by its MAC: the first card with an
address, else the first card of the first bond that has one, with the bond's address (its switch must let a single
card speak: LACP fallback). Everything else is for the installed system and is written by debian_target.py.

It can't say: a guest where only VLANs have addresses.
"""

from collections.abc import Iterator

from services.common.contracts.addresses import ip_interface
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import Addressing, NetworkModel, Nic
from services.imagebuilder.dialects import words


def render(model: NetworkModel, hostname: str) -> bytes:
    """The lines about the network; hostname and domain are the template's."""
    words.checked(model)
    chosen = _first_usable(model)
    if chosen is None:
        detail = "debian-installer needs a card or a bond with an address to fetch packages by; VLANs it can't use"
        fix = "give a card or a bond dhcp4, dhcp6, accept_ra or an address"
        raise Invalid("the network can't be written as asked", [Problem("/networks", detail, fix)])
    nic, link = chosen
    lines = ["netcfg/enable boolean true", f"netcfg/choose_interface select {words.mac(nic)}", *_settings(model, link)]
    return "".join(f"d-i {line}\n" for line in lines).encode("ascii")


def _first_usable(model: NetworkModel) -> tuple[Nic, Addressing] | None:
    """Who has a way out first, then who has an address at all."""
    found: list[tuple[Nic, Addressing]] = [(nic, nic) for nic in model.nics if nic.configured]
    for bond in model.bonds:
        if bond.configured:
            found += [(nic, bond) for nic in model.nics if model.bond_of(nic) is bond][:1]
    return next((pair for pair in found if _has_a_way_out(pair[1])), found[0] if found else None)


def _has_a_way_out(link: Addressing) -> bool:
    gives = (link.dhcp4 or link.dhcp6 or link.accept_ra) and link.default_route
    return bool(gives or link.gateway4 or link.gateway6 or _default_route(link, 4) or _default_route(link, 6))


def _default_route(link: Addressing, version: int) -> str:
    to = "::/0" if version == 6 else "0.0.0.0/0"
    return next((route.via for route in link.routes if route.to == to), "")


def _settings(model: NetworkModel, link: Addressing) -> Iterator[str]:
    if link.dhcp4 or link.dhcp6 or (link.accept_ra and not link.addresses):
        yield "netcfg/disable_autoconfig boolean false"
        return
    interfaces = sorted((ip_interface(text) for text in link.addresses), key=lambda i: i.version)
    chosen = interfaces[0]
    gateway = (link.gateway6 if chosen.version == 6 else link.gateway4) or _default_route(link, chosen.version)
    servers = list(link.dns) or [server for _, _, other in model.links() for server in other.dns]
    # A netmask takes a prefix length too, and for IPv6 there is no other way to write it.
    mask = str(chosen.network.prefixlen) if chosen.version == 6 else str(chosen.netmask)
    yield "netcfg/disable_autoconfig boolean true"
    yield f"netcfg/get_ipaddress string {chosen.ip}"
    yield f"netcfg/get_netmask string {mask}"
    yield f"netcfg/get_gateway string {words.address(gateway) if gateway else 'none'}"
    yield f"netcfg/get_nameservers string {' '.join(words.address(server) for server in servers)}".rstrip()
    yield "netcfg/confirm_static boolean true"
