# SPDX-License-Identifier: Apache-2.0
"""AutoYaST's <networking> part (SLES and openSUSE Leap 15), and the sysctl file that goes with it.

Cards get their names by udev rules on their MAC (<net-udev>), everything else names them so. Name servers and search
domains are the system's, not a link's: SUSE's netconfig has one list. Whether router advertisements are believed is
a sysctl, which AutoYaST has no word for; `sysctl` is the file that says it.

What it can't say, and why (AutoYaST Guide for SLES 15, "Network configuration"; yast2-network's
Y2Network::Autoinst::InterfacesReader, which is what reads it):
- DHCP without its default route: <dhclient_set_default_route> is read and used for nothing;
- only router advertisements: an interface is static with an address, or asks a DHCP server, or has no IP at all;
- a bond of more than ten cards: <bonding_slave0> to <bonding_slave9>.
"""

from collections.abc import Iterator

from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, BondMode, Link, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words
from services.imagebuilder.identity import hostname_problems
from services.imagebuilder.syntaxes import xml_text

_MOST_MEMBERS = 10
_DEFAULTS = {"0.0.0.0/0", "::/0"}
Tags = list[tuple[str, object]]


def render(model: NetworkModel, hostname: str) -> bytes:
    """The element <networking>; the profile around it declares the prefix config."""
    words.checked(model, [*_inexpressible(model), *hostname_problems(hostname)])
    routes = [route for _, name, link in model.links() for route in _routes(name, link)]
    rules = [[("name", model.nic_name(n)), ("rule", "ATTR{address}"), ("value", words.mac(n))] for n in model.nics]
    parts = [
        *_tags([("keep_install_network", False), ("managed", False), ("ipv6", True)]),
        "<dns>",
        *_tags([("dhcp_hostname", False), ("hostname", hostname)]),
        *_words(model, "nameservers", "nameserver", "dns"),
        *_words(model, "searchlist", "search", "search"),
        "</dns>",
        *_list("interfaces", "interface", [list(_interface(model, name, link)) for _, name, link in model.links()]),
        *_list("net-udev", "rule", [[*rule] for rule in rules]),
        "<routing>",
        *_tags([("ipv4_forward", False), ("ipv6_forward", False)]),
        *(_list("routes", "route", routes) if routes else ()),
        "</routing>",
    ]
    return "\n".join(["<networking>", *parts, "</networking>"]).encode()


def sysctl(model: NetworkModel, hostname: str) -> bytes:
    """Lines of a file in /etc/sysctl.d; slashes, because a link's name may have a dot."""
    words.checked(model, list(_inexpressible(model)))
    lines = []
    for _, name, link in model.links():
        if isinstance(link, Nic) and model.bond_of(link):
            continue
        believed = link.accept_ra or link.dhcp6
        lines.append(f"net/ipv6/conf/{name}/accept_ra = {int(believed)}\n")
        if believed and not link.default_route:
            lines.append(f"net/ipv6/conf/{name}/accept_ra_defrtr = 0\n")
    return "".join(lines).encode("ascii")


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    for at, _, link in model.links():
        if link.dhcp4 and not link.default_route:
            detail = "AutoYaST can't have DHCP without its default route: it reads that setting and drops it"
            yield Problem(f"{at}/default_route", detail, "leave default_route out, or give the link static addresses")
        if link.accept_ra and not (link.addresses or link.dhcp4 or link.dhcp6):
            detail = "AutoYaST has no interface with router advertisements alone"
            yield Problem(f"{at}/accept_ra", detail, "add dhcp6 or a static address")
    for index, bond in enumerate(model.bonds):
        if len(bond.members) > _MOST_MEMBERS:
            detail = f"AutoYaST has no bond of more than {_MOST_MEMBERS} cards"
            yield Problem(f"/bonds/{index}/members", detail, "leave cards out")


def _interface(model: NetworkModel, name: str, link: Link) -> Iterator[tuple[str, object]]:
    yield "name", name
    yield from _addressing(link)
    # What has no address may be away; nothing waits for it then.
    away = isinstance(link, Nic) and not link.configured
    yield "startmode", "hotplug" if away else "auto"
    if link.mtu:
        yield "mtu", link.mtu
    if isinstance(link, Bond):
        yield "bonding_master", "yes"
        rate = " lacp_rate=fast" if link.mode == BondMode.LACP else ""
        yield "bonding_module_opts", f"mode={link.mode} miimon=100{rate}"
        cards = [model.nic_name(nic) for nic in model.nics if model.bond_of(nic) is link]
        yield from ((f"bonding_slave{n}", card) for n, card in enumerate(cards))
    if isinstance(link, Vlan):
        parent = model.parent(link)
        assert parent is not None  # checked
        yield "etherdevice", model.name_of(parent)
        yield "vlan_id", link.id


def _addressing(link: Addressing) -> Iterator[tuple[str, object]]:
    dhcp = {(True, True): "dhcp", (True, False): "dhcp4", (False, True): "dhcp6"}.get((link.dhcp4, link.dhcp6))
    yield "bootproto", dhcp or ("static" if link.addresses else "none")
    pairs = [words.interface(text).split("/") for text in link.addresses]
    if pairs and not dhcp:
        (ip, prefix), *pairs = pairs
        yield "ipaddr", ip
        yield "prefixlen", prefix
    if pairs:
        yield (
            "aliases",
            [(f"alias{n}", [("IPADDR", ip), ("PREFIXLEN", prefix)]) for n, (ip, prefix) in enumerate(pairs)],
        )


def _routes(name: str, link: Addressing) -> Iterator[Tags]:
    for gateway in (link.gateway4, link.gateway6):
        if gateway:
            yield [("destination", "default"), ("gateway", words.address(gateway)), ("device", name)]
    for route in link.routes:
        to = words.network(route.to)
        written: Tags = [
            ("destination", "default" if to in _DEFAULTS else to),
            ("gateway", words.address(route.via)),
            ("device", name),
        ]
        if route.metric is not None:
            written.append(("extrapara", f"metric {route.metric}"))
        yield written


def _words(model: NetworkModel, name: str, item: str, field: str) -> Iterator[str]:
    """One list for the whole system, each word once."""
    every = [word for _, _, link in model.links() for word in getattr(link, field)]
    every = [words.address(word) for word in every] if field == "dns" else every
    if every:
        yield f'<{name} config:type="list">'
        yield from _tags([(item, word) for word in dict.fromkeys(every)])
        yield f"</{name}>"


def _list(name: str, item: str, rows: list[Tags]) -> Iterator[str]:
    yield f'<{name} config:type="list">'
    for row in rows:
        yield from (f"<{item}>", *_tags(row), f"</{item}>")
    yield f"</{name}>"


def _tags(values: Tags) -> Iterator[str]:
    for name, value in values:
        if isinstance(value, list):
            yield from (f"<{name}>", *_tags(value), f"</{name}>")
        else:
            kind = ' config:type="boolean"' if isinstance(value, bool) else ""
            yield f"<{name}{kind}>{xml_text(value)}</{name}>"
