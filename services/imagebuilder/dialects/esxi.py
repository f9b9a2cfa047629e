# SPDX-License-Identifier: Apache-2.0
"""ESXi's network: one `network` line of its kickstart, and esxcli in a %firstboot section for all the rest.

The line sets up the management link, found by the MAC of its card: it gets vmk0, vSwitch0 and the port group
"Management Network", whatever its name is here. Every other card or bond is a standard switch of its own, every other
link a port group by its name, and one with addresses a vmkernel interface on it. Words as in VMware's "Installation
and Upgrade Script Commands" and the ESXCLI reference. %firstboot does not run under UEFI Secure Boot.

Refused: no IPv4 on any link (the installer sets up management by IPv4), DHCP on another link than management's (the one
TCP/IP stack has one default gateway), a second IPv4 address on a link (a vmkernel interface has one), metrics (ESXi's
routes have none), LACP (distributed switches only), a link-local gateway, MTUs a standard switch can't have, and a name
for the card of the management link.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from ipaddress import IPv4Interface

from services.common.contracts.addresses import ip_address, ip_interface
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.network import Addressing, Bond, BondMode, Link, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words
from services.imagebuilder.identity import hostname_problems

_MTU = range(1280, 9001)
_FIND = """nic() { esxcli network nic list | awk -v mac="$1" 'index(tolower($0), mac) { print $1 }'; }"""


def render(model: NetworkModel, hostname: str) -> bytes:
    """The `network` line and the section; to stand behind the last command of the file."""
    management = _checked(model, hostname)
    lines = [_network_line(model, management), "%firstboot --interpreter=busybox", _FIND]
    lines += _switches(model, management)
    lines += _interfaces(model, management)
    lines += _names(model)
    return "\n".join(lines).encode("ascii")


def links(model: NetworkModel, hostname: str) -> bytes:
    """What is to be seen of the links, as JSON in base64: for each its name here, its vmkernel interface ("" where it
    has none) and the MAC of its first card."""
    management = _checked(model, hostname)
    with_interface = _with_interface(model, management)
    found = [_seen(model, link, f"vmk{number}") for number, link in enumerate(with_interface)]
    others = [link for _, _, link in model.links() if not isinstance(link, Nic) and link not in with_interface]
    return b64encode(json.dumps([*found, *(_seen(model, link, "") for link in others)]).encode())


def _checked(model: NetworkModel, hostname: str) -> Link:
    """The management link of a model that can be written; Invalid names what can't be."""
    words.checked(model, hostname_problems(hostname))
    # Only now is every address one, and can be looked at.
    problems, management = [*_inexpressible(model)], _management(model)
    if problems or management is None:
        raise Invalid("the network can't be written as asked", problems)
    return management


def _seen(model: NetworkModel, link: Link, vmk: str) -> dict[str, str]:
    return {"name": model.name_of(link), "vmk": vmk, "mac": _cards(model, _base(model, link))[0]}


def _with_interface(model: NetworkModel, management: Link) -> list[Link]:
    """The links with a vmkernel interface, in the order of their numbers."""
    return [management, *[link for _, _, link in model.links() if link is not management and link.configured]]


def _v4(link: Addressing) -> list[IPv4Interface]:
    found = []
    for text in link.addresses:
        interface = ip_interface(text)
        if isinstance(interface, IPv4Interface):
            found.append(interface)
    return found


def _management(model: NetworkModel) -> Link | None:
    links = [link for _, _, link in model.links()]
    for wanted in (
        [link for link in links if link.gateway4],
        [link for link in links if link.dhcp4],
        [link for link in links if _v4(link)],
    ):
        if wanted:
            return wanted[0]
    return None


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    management = _management(model)
    if management is None:
        yield Problem("/networks", "ESXi's installer sets up its management link by IPv4", "give a link IPv4")
    for at, _, link in model.links():
        yield from _of_link(at, link, link is management)
        if isinstance(link, Bond) and link.mode != BondMode.ACTIVE_BACKUP:
            detail = "ESXi's standard switches know no LACP"
            yield Problem(f"{at}/mode", detail, f"use {BondMode.ACTIVE_BACKUP}")


def _of_link(at: str, link: Link, is_management: bool) -> Iterator[Problem]:
    if isinstance(link, Nic) and link.name and is_management:
        yield Problem(f"{at}/name", "ESXi names the management link itself", "leave it out")
    if link.dhcp4 and not is_management:
        yield Problem(f"{at}/dhcp4", "ESXi has DHCP on its management link only", "give a static address")
    fixed = _v4(link)
    if len(fixed) > 1 or (fixed and link.dhcp4):
        detail = "a vmkernel interface of ESXi has one IPv4 address, fixed or by DHCP"
        yield Problem(f"{at}/addresses", detail, "keep one")
    if not link.default_route and (link.dhcp4 or link.dhcp6 or link.accept_ra):
        yield Problem(f"{at}/default_route", "ESXi takes the default route it is offered", "leave it out")
    if link.gateway6 and ip_address(link.gateway6).is_link_local:
        yield Problem(f"{at}/gateway", "ESXi takes no link-local gateway here", "give the router's global address")
    if link.mtu and link.mtu not in _MTU:
        yield Problem(f"{at}/mtu", f"a standard switch has no MTU of {link.mtu}", "1280 to 9000")
    for n, route in enumerate(link.routes):
        if route.metric is not None:
            yield Problem(f"{at}/routes/{n}/metric", "ESXi's routes have no metric", "leave it out")
        if not link.configured:
            yield Problem(f"{at}/routes/{n}", "the link has no IP to route with", "give the link an address")


def _base(model: NetworkModel, link: Link) -> Nic | Bond:
    """The card or bond that a link is on."""
    if isinstance(link, Vlan):
        parent = model.parent(link)
        assert parent is not None  # checked
        return parent
    return link


def _cards(model: NetworkModel, base: Nic | Bond) -> list[str]:
    if isinstance(base, Nic):
        return [words.mac(base)]
    return [words.mac(nic) for nic in model.nics if model.bond_of(nic) is base]


def _network_line(model: NetworkModel, link: Link) -> str:
    line = ["network", f"--device={_cards(model, _base(model, link))[0]}", "--addvmportgroup=0"]
    if isinstance(link, Vlan):
        line.append(f"--vlanid={int(link.id)}")
    if link.dhcp4:
        return " ".join([*line, "--bootproto=dhcp"])
    fixed = _v4(link)[0]
    line += ["--bootproto=static", f"--ip={fixed.ip}", f"--netmask={fixed.netmask}"]
    if link.gateway4:
        line.append(f"--gateway={words.address(link.gateway4)}")
    return " ".join(line)


def _bases(model: NetworkModel, management: Link) -> list[Nic | Bond]:
    """Every switch's card or bond; management's is the first, vSwitch0."""
    first = _base(model, management)
    bases: list[Nic | Bond] = [nic for nic in model.nics if not model.bond_of(nic)]
    bases += model.bonds
    return [first, *[base for base in bases if base is not first]]


def _switches(model: NetworkModel, management: Link) -> Iterator[str]:
    esxcli = "esxcli network vswitch standard"
    for number, base in enumerate(_bases(model, management)):
        switch, cards = f"vSwitch{number}", _cards(model, base)
        if number:
            yield f"{esxcli} add --vswitch-name={switch}"
        for index, mac in enumerate(cards):
            if number or index:
                yield f'{esxcli} uplink add --vswitch-name={switch} --uplink-name="$(nic {mac})"'
        if len(cards) > 1:
            standby = ",".join(f"$(nic {mac})" for mac in cards[1:])
            chosen = f'--active-uplinks="$(nic {cards[0]})" --standby-uplinks="{standby}"'
            yield f"{esxcli} policy failover set --vswitch-name={switch} {chosen}"
        on_it = [link for _, _, link in model.links() if link is base or _is_on(model, link, base)]
        if mtu := max(link.mtu for link in on_it):
            yield f"{esxcli} set --vswitch-name={switch} --mtu={int(mtu)}"
        for link in on_it:
            if link is not management and (link.configured or isinstance(link, Vlan)):
                name = model.name_of(link)
                yield f"{esxcli} portgroup add --vswitch-name={switch} --portgroup-name={name}"
                if isinstance(link, Vlan):
                    yield f"{esxcli} portgroup set --portgroup-name={name} --vlan-id={int(link.id)}"


def _is_on(model: NetworkModel, link: Link, base: Nic | Bond) -> bool:
    return isinstance(link, Vlan) and model.parent(link) is base


def _interfaces(model: NetworkModel, management: Link) -> Iterator[str]:
    for number, link in enumerate(_with_interface(model, management)):
        yield from _interface(model, link, f"vmk{number}", number == 0)


def _interface(model: NetworkModel, link: Link, vmk: str, is_management: bool) -> Iterator[str]:
    esxcli, on = "esxcli network ip interface", f"--interface-name={vmk}"
    if not is_management:
        yield f"{esxcli} add {on} --portgroup-name={model.name_of(link)}"
        fixed = _v4(link)
        kind = f"--type=static --ipv4={fixed[0].ip} --netmask={fixed[0].netmask}" if fixed else "--type=none"
        yield f"{esxcli} ipv4 set {on} {kind}"
    if link.mtu:
        yield f"{esxcli} set {on} --mtu={int(link.mtu)}"
    advertised = str(link.accept_ra or link.dhcp6).lower()
    yield f"{esxcli} ipv6 set {on} --enable-router-adv={advertised} --enable-dhcpv6={str(link.dhcp6).lower()}"
    for text in link.addresses:
        if ip_interface(text).version == 6:
            yield f"{esxcli} ipv6 address add {on} --ipv6={words.interface(text)}"
    if link.gateway6:
        yield f"esxcli network ip route ipv6 add --network=default --gateway={words.address(link.gateway6)}"
    for route in link.routes:
        to = words.network(route.to)
        version = 6 if ":" in to else 4
        target = "default" if to in ("0.0.0.0/0", "::/0") else to
        yield f"esxcli network ip route ipv{version} add --network={target} --gateway={words.address(route.via)}"


def _names(model: NetworkModel) -> Iterator[str]:
    """Name servers and search domains: ESXi has one list of each."""
    links = [link for _, _, link in model.links()]
    for server in dict.fromkeys(words.address(text) for link in links for text in link.dns):
        yield f"esxcli network ip dns server add --server={server}"
    for domain in dict.fromkeys(text for link in links for text in link.search):
        yield f"esxcli network ip dns search add --domain={domain}"
