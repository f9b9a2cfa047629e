# SPDX-License-Identifier: Apache-2.0
"""NetworkManager's keyfiles (nm-settings-keyfile(5), nm-settings(5)), as every release since 1.20 reads them.

One profile a link. Cards are matched by MAC; bonds and VLANs name what they stand on by its profile's UUID, so no
kernel name of a card is needed. A card that was given a name gets it from a systemd.link(5) file as well; one that
was not keeps the system's own.

What it can't say, and why:
- a card called eth0: the kernel gives those names itself, and udev can't take one that is in use;
- a static default route on a link whose DHCP or router's default route is ignored: never-default drops both;
- name servers, routes and gateways of an IP version that the link doesn't have: they are refused, or do nothing.
IPv6 by DHCP follows the router's advertisements, as method=auto does: without them there is no default route.
"""

import re
from collections.abc import Iterator
from uuid import UUID, uuid5

from services.common.contracts.errors import Problem
from services.common.contracts.network import Addressing, Bond, BondMode, Link, NetworkModel, Nic, Vlan
from services.imagebuilder.dialects import words

FOLDER = "/etc/NetworkManager/system-connections"
LINK_FOLDER = "/etc/systemd/network"
_NAMESPACE = UUID("5d3c3a0e-5a52-5d0b-9c59-3b6f5a6f7c11")
_KERNELS_OWN = re.compile(r"eth\d+")
_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}
# A default route must be the best beside others of its link or of another one: see _routes.
_BEST = 1


def render(model: NetworkModel, hostname: str) -> bytes:
    """Lines of root's shell that write all files. Each word in them was spelt again, so a here-document holds them."""
    lines = [f"mkdir -p {FOLDER}"]
    for name, text in keyfiles(model).items():
        lines += [f"cat > {FOLDER}/{name} <<'KEYFILE'", f"{text}KEYFILE", f"chmod 600 {FOLDER}/{name}"]
    for name, text in link_files(model).items():
        lines += [f"mkdir -p {LINK_FOLDER}", f"cat > {LINK_FOLDER}/{name} <<'LINKFILE'", f"{text}LINKFILE"]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def keyfiles(model: NetworkModel) -> dict[str, str]:
    """File name -> text, for FOLDER; owned by root with mode 0600, or NetworkManager ignores them."""
    words.checked(model, list(_inexpressible(model)))
    return {f"{name}.nmconnection": _profile(model, name, link) for _, name, link in model.links()}


def link_files(model: NetworkModel) -> dict[str, str]:
    """File name -> text, for LINK_FOLDER: the cards that were given a name."""
    words.checked(model, list(_inexpressible(model)))
    # A VLAN has its card's MAC, but no path on a bus.
    return {
        f"70-{nic.name}.link": f"[Match]\nMACAddress={words.mac(nic)}\nPath=*\n\n[Link]\nName={nic.name}\n"
        for nic in model.nics
        if nic.name
    }


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    for at, _, link in model.links():
        if isinstance(link, Nic) and _KERNELS_OWN.fullmatch(link.name):
            detail = f"{link.name!r} is a name the kernel gives to cards itself"
            yield Problem(f"{at}/name", detail, 'choose another one like "lan0", or leave it out')
        for n, text in enumerate(link.dns):
            yield from _absent(link, text, f"{at}/dns/{n}", "name server")
        for n, route in enumerate(link.routes):
            yield from _absent(link, route.via, f"{at}/routes/{n}", "route")
        if link.gateway6:
            yield from _absent(link, link.gateway6, f"{at}/gateway", "gateway")
        if link.search and not link.configured:
            yield Problem(f"{at}/search", "the link has no addresses", "give the search domains to one that has")
        yield from _default_problems(model, link, at)


def _absent(link: Addressing, text: str, at: str, what: str) -> Iterator[Problem]:
    version = _version(text)
    if _method(link, version) == "disabled":
        fix = f"give the link IPv{version}, or leave the {what} out"
        yield Problem(at, f"a {what} of IPv{version} on a link without IPv{version}", fix)


def _default_problems(model: NetworkModel, link: Addressing, at: str) -> Iterator[Problem]:
    for version, gateway in ((4, link.gateway4), (6, link.gateway6)):
        static = gateway or any(route.to == _DEFAULT[version] for route in link.routes)
        if static and not link.default_route and _method(link, version) == "auto":
            detail = "NetworkManager can't ignore a link's learnt default route and have a given one there"
            yield Problem(f"{at}/default_route", detail, "leave default_route out, or use static addresses only")
        others = _other_defaults(model, version)
        if gateway and others and min(others) <= _BEST:
            detail = f"another default route has the metric {min(others)}"
            yield Problem(f"{at}/gateway", detail, f"give that one a metric above {_BEST}")


def _other_defaults(model: NetworkModel, version: int) -> list[int]:
    """The metrics of all default routes that are not a link's gateway."""
    every = [route for _, _, link in model.links() for route in link.routes]
    return [route.metric or 0 for route in every if route.to == _DEFAULT[version]]


def _version(text: str) -> int:
    return 6 if ":" in text else 4


def _uuid(link: Link) -> str:
    return str(uuid5(_NAMESPACE, words.mac(link) if isinstance(link, Nic) else f"link/{link.name}"))


def _profile(model: NetworkModel, name: str, link: Link) -> str:
    kind = {Nic: "ethernet", Bond: "bond", Vlan: "vlan"}[type(link)]
    sections = {"connection": {"id": name, "uuid": _uuid(link), "type": kind, "autoconnect": "true"}}
    card: dict[str, str] = {"mtu": str(int(link.mtu))} if link.mtu else {}
    if isinstance(link, Nic):
        card = {"mac-address": words.mac(link), **card}
        if bond := model.bond_of(link):
            sections["connection"] |= {"master": _uuid(bond), "slave-type": "bond"}
    else:
        sections["connection"]["interface-name"] = name
    if card:
        sections["ethernet"] = card
    if isinstance(link, Bond):
        sections["bond"] = _bond(link)
    if isinstance(link, Vlan):
        parent = model.parent(link)
        assert parent is not None  # checked
        sections["vlan"] = {"id": str(int(link.id)), "parent": _uuid(parent)}
    if not (isinstance(link, Nic) and model.bond_of(link)):
        sections |= {"ipv4": _family(model, link, 4), "ipv6": _family(model, link, 6)}
    return "\n".join(_section(title, values) for title, values in sections.items())


def _section(title: str, values: dict[str, str]) -> str:
    return f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())


def _bond(bond: Bond) -> dict[str, str]:
    rate = {"lacp_rate": "fast"} if bond.mode == BondMode.LACP else {}
    return {"mode": bond.mode, "miimon": "100", **rate}


def _method(link: Addressing, version: int) -> str:
    if link.dhcp4 if version == 4 else (link.dhcp6 or link.accept_ra):
        return "auto"
    return "manual" if any(_version(text) == version for text in link.addresses) else "disabled"


def _family(model: NetworkModel, link: Addressing, version: int) -> dict[str, str]:
    method = _method(link, version)
    values = {"method": method}
    if method == "disabled":
        return values
    if version == 6:
        values["addr-gen-mode"] = "eui64"
    addresses = [words.interface(text) for text in link.addresses if _version(text) == version]
    values |= {f"address{n}": text for n, text in enumerate(addresses, 1)}
    values |= _routes(model, link, version, bool(addresses))
    if method == "auto" and not link.default_route:
        values["never-default"] = "true"
    if servers := [words.address(text) for text in link.dns if _version(text) == version]:
        values["dns"] = "".join(f"{text};" for text in servers)
    if link.search and (version == 4 or _method(link, 4) == "disabled"):
        values["dns-search"] = "".join(f"{text};" for text in link.search)
    return values


def _routes(model: NetworkModel, link: Addressing, version: int, addresses: bool) -> dict[str, str]:
    values, routes = {}, []
    gateway = link.gateway4 if version == 4 else link.gateway6
    if gateway and _other_defaults(model, version):
        # NetworkManager's own metric would be 100 and more: another default route could be better than the gateway.
        routes.append(f"{_DEFAULT[version]},{words.address(gateway)},{_BEST}")
    elif gateway and not addresses:  # a profile without addresses can't have one
        routes.append(f"{_DEFAULT[version]},{words.address(gateway)}")
    elif gateway:
        values["gateway"] = words.address(gateway)
    for route in link.routes:
        if _version(route.to) == version:
            metric = "" if route.metric is None else f",{int(route.metric)}"
            routes.append(f"{words.network(route.to)},{words.address(route.via)}{metric}")
    return values | {f"route{n}": text for n, text in enumerate(routes, 1)}
