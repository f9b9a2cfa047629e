# SPDX-License-Identifier: Apache-2.0
"""systemd-networkd's units for Flatcar, as entries of an Ignition config's storage.files, one a line.

Each link has a .network, bonds and VLANs a .netdev, and a card that was given a name a .link; one that was not keeps
the system's own. Cards are matched by their permanent MAC: a VLAN and a bond take over a card's address, and
MACAddress= would match them too.

What it can't say: a card called eth0. The kernel gives those names itself, and udev can't take one that is in use.
Sources: systemd.link(5), systemd.netdev(5), systemd.network(5), systemd 250 or newer.
"""

import re
from collections.abc import Iterator

from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, BondMode, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words
from services.imagebuilder.dialects.ignition import file_entries

FOLDER = "/etc/systemd/network"
_KERNELS_OWN = re.compile(r"eth\d+")
Section = tuple[str, list[tuple[str, object]]]


def render(model: NetworkModel, hostname: str) -> bytes:
    """The entries, with commas between them. The host's name is none of their business."""
    return file_entries({f"{FOLDER}/{name}": text for name, text in units(model).items()})


def units(model: NetworkModel) -> dict[str, str]:
    """File name -> text; Invalid names what no network can have."""
    words.checked(model, list(_inexpressible(model)))
    found = {f"10-{nic.name}.link": _text(_naming(nic)) for nic in model.nics if nic.name}
    devices: tuple[Bond | Vlan, ...] = (*model.bonds, *model.vlans)
    for link in devices:
        found[f"10-{link.name}.netdev"] = _text(_netdev(link))
    for _, name, any_link in model.links():
        found[f"10-{name}.network"] = _text(_network(model, any_link))
    return dict(sorted(found.items()))


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    for index, nic in enumerate(model.nics):
        if _KERNELS_OWN.fullmatch(nic.name):
            detail = f"{nic.name!r} is a name the kernel gives to cards itself"
            yield Problem(f"/networks/{index}/name", detail, 'choose another one like "lan0", or leave it out')


def _naming(nic: Nic) -> list[Section]:
    return [("Match", [("PermanentMACAddress", words.mac(nic))]), ("Link", [("Name", nic.name)])]


def _text(sections: list[Section]) -> str:
    blocks = [
        "".join([f"[{title}]\n", *(f"{key}={value}\n" for key, value in keys)]) for title, keys in sections if keys
    ]
    return "\n".join(blocks)


def _netdev(link: Bond | Vlan) -> list[Section]:
    if isinstance(link, Vlan):
        return [("NetDev", [("Name", link.name), ("Kind", "vlan")]), ("VLAN", [("Id", link.id)])]
    bond: list[tuple[str, object]] = [("Mode", link.mode), ("MIIMonitorSec", "0.1s")]
    if link.mode == BondMode.LACP:
        bond.append(("LACPTransmitRate", "fast"))
    return [("NetDev", [("Name", link.name), ("Kind", "bond")]), ("Bond", bond)]


def _network(model: NetworkModel, link: Nic | Bond | Vlan) -> list[Section]:
    match = ("PermanentMACAddress", words.mac(link)) if isinstance(link, Nic) else ("Name", link.name)
    bond = model.bond_of(link) if isinstance(link, Nic) else None
    settings: list[tuple[str, object]] = [("MTUBytes", link.mtu)] if link.mtu else []
    if not link.configured:
        # Nothing may wait for what has no address.
        settings.append(("RequiredForOnline", "no"))
    network: list[tuple[str, object]] = [("Bond", bond.name)] if bond else list(_addressing(link))
    network += [("VLAN", vlan.name) for vlan in model.vlans if model.parent(vlan) is link]
    return [("Match", [match]), ("Link", settings), ("Network", network), *_routing(link)]


def _addressing(link: Addressing) -> Iterator[tuple[str, object]]:
    yield (
        "DHCP",
        {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6"}.get((link.dhcp4, link.dhcp6), "no"),
    )
    yield "IPv6AcceptRA", "yes" if link.accept_ra or link.dhcp6 else "no"
    if not link.configured:
        yield "LinkLocalAddressing", "no"
    for text in link.addresses:
        yield "Address", words.interface(text)
    for gateway in (link.gateway4, link.gateway6):
        if gateway:
            yield "Gateway", words.address(gateway)
    for server in link.dns:
        yield "DNS", words.address(server)
    if link.search:
        yield "Domains", " ".join(link.search)


def _routing(link: Addressing) -> Iterator[Section]:
    for route in link.routes:
        keys: list[tuple[str, object]] = [
            ("Destination", words.network(route.to)),
            ("Gateway", words.address(route.via)),
        ]
        if route.metric is not None:
            keys.append(("Metric", route.metric))
        yield "Route", keys
    if link.dhcp4 and not link.default_route:
        yield "DHCPv4", [("UseRoutes", "no")]
    advertised: list[tuple[str, object]] = []
    if link.accept_ra and not link.dhcp6:
        advertised.append(("DHCPv6Client", "no"))
    if (link.accept_ra or link.dhcp6) and not link.default_route:
        advertised.append(("UseGateway", "no"))
    yield "IPv6AcceptRA", advertised
