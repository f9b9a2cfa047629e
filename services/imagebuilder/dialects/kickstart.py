# SPDX-License-Identifier: Apache-2.0
"""Anaconda's `network` lines (RHEL 8 to 10, Fedora), a fragment of a kickstart file: the network of the installer.

The installed system's network is not left to these lines: they can say one address of each IP version, no metric and
no card without addresses. NetworkManager's keyfiles (networkmanager.py), written in %post over what Anaconda made of
these lines, say all of it. So a line says what the installer needs to reach a mirror: the way out first, because
the initramfs takes the first line only; the first address of each version; the gateway, or the best default route.

Cards are matched by MAC (--device=MAC). --bondslaves takes kernel names only, and a VLAN's line with its card's MAC
would be a second line of that card: the lines of bonds and VLANs are written by a %pre script that looks the names
up, and included. The initramfs sees none of these.
Source: Anaconda's and pykickstart's "Kickstart Documentation", command network.
"""

from collections.abc import Iterator, Sequence

from services.common.contracts.addresses import ip_interface
from services.common.contracts.network import Addressing, Bond, BondMode, Link, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words

INCLUDED = "/tmp/innkeeper-network.ks"
_LOOK_UP = """\
set -e
card() {
    for folder in /sys/class/net/*; do
        if [ "$(cat "$folder/address")" = "$1" ]; then
            echo "${folder##*/}"
            return
        fi
    done
    echo "no card has the MAC $1" >&2
    return 1
}
"""


def render(model: NetworkModel, hostname: str) -> bytes:
    """The lines. The host's name is a template's business: a fully qualified one is wanted there."""
    words.checked(model)
    links = sorted((link for _, _, link in model.links()), key=lambda link: not _leads_out(link))
    plain = [link for link in links if isinstance(link, Nic) and link.configured]
    vlans = [link for link in links if isinstance(link, Vlan) and link.configured]
    lines = [*_lines(model, plain), *_included(model, [*_lines(model, [*model.bonds, *vlans])])]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _lines(model: NetworkModel, links: Sequence[Link]) -> Iterator[str]:
    return (f"network {' '.join(_line(model, link))}" for link in links)


def _leads_out(link: Addressing) -> bool:
    static = link.gateway4 or link.gateway6 or any(route.to in ("0.0.0.0/0", "::/0") for route in link.routes)
    return bool(static or (link.default_route and (link.dhcp4 or link.dhcp6 or link.accept_ra)))


def _included(model: NetworkModel, lines: list[str]) -> Iterator[str]:
    if not lines:
        return
    yield f"%include {INCLUDED}"
    yield "%pre --erroronfail"
    yield _LOOK_UP.removesuffix("\n")
    parents = [model.parent(vlan) for vlan in model.vlans]
    cards = [nic for nic in model.nics if model.bond_of(nic) or any(nic is parent for parent in parents)]
    yield from (f"{_variable(nic)}=$(card {words.mac(nic)})" for nic in cards)
    # Not quoted: the shell puts the cards' names in; no other word of a line has a $ or a `.
    yield f"cat > {INCLUDED} <<END"
    yield from lines
    yield "END"
    yield "%end"


def _variable(nic: Nic) -> str:
    return f"card_{words.mac(nic).replace(':', '')}"


def _line(model: NetworkModel, link: Link) -> Iterator[str]:
    if isinstance(link, Nic):
        yield f"--device={words.mac(link)}"
    if isinstance(link, Bond):
        cards = ",".join(f"${_variable(nic)}" for nic in model.nics if model.bond_of(nic) is link)
        rate = ",lacp_rate=fast" if link.mode == BondMode.LACP else ""
        yield f"--device={link.name} --bondslaves={cards} --bondopts=mode={link.mode},miimon=100{rate}"
    if isinstance(link, Vlan):
        parent = model.parent(link)
        assert parent is not None  # checked
        device = f"${_variable(parent)}" if isinstance(parent, Nic) else parent.name
        yield f"--device={device} --vlanid={int(link.id)} --interfacename={link.name}"
    yield from _addressing(link)
    yield "--activate"


def _addressing(link: Addressing) -> Iterator[str]:
    interfaces = [ip_interface(text) for text in link.addresses]
    v4 = next((i for i in interfaces if i.version == 4), None)
    v6 = next((i for i in interfaces if i.version == 6), None)
    if link.dhcp4:
        yield "--bootproto=dhcp"
    elif v4:
        yield f"--bootproto=static --ip={v4.ip} --netmask={v4.netmask}"
    else:
        yield "--noipv4"
    if (v4 and not link.dhcp4) and (gateway := _gateway(link, link.gateway4, "0.0.0.0/0")):
        yield f"--gateway={gateway}"
    if link.dhcp6 or link.accept_ra:
        yield "--ipv6=auto"
    elif v6:
        yield f"--ipv6={v6}"
        if gateway := _gateway(link, link.gateway6, "::/0"):
            yield f"--ipv6gateway={gateway}"
    else:
        yield "--noipv6"
    yield from _rest(link)


def _gateway(link: Addressing, gateway: str, default: str) -> str:
    """The best way out of a link: its gateway, or the default route with the least metric."""
    routes = sorted((route.metric or 0, words.address(route.via)) for route in link.routes if route.to == default)
    return words.address(gateway) if gateway else next((via for _, via in routes), "")


def _rest(link: Addressing) -> Iterator[str]:
    if not link.default_route:
        yield "--nodefroute"
    if link.dns:
        yield f"--nameserver={','.join(words.address(text) for text in link.dns)}"
    if link.mtu:
        yield f"--mtu={int(link.mtu)}"
