# SPDX-License-Identifier: Apache-2.0
"""Windows's answer file: the components Microsoft-Windows-TCPIP and -DNS-Client of the specialize pass.

All links stand in one <Interfaces>, each found by its MAC with dashes, elements in the order Microsoft's unattend
reference demands. One wrong static value ends set-up for good, so everything is parsed before it is written.

What those components have no words for is the second part, `links`: JSON for the script of the first logon (which card
has which name, MTU, and families; that DHCP's default route is ignored). Refused are bonds and VLANs (teams are
Server's only, and made by the driver of the card), more than 1500 bytes a frame (the card's driver must be told, each
in its own words), DHCP and fixed IPv4 addresses on one link (Windows keeps one of them), and a hostname that NetBIOS
can't hold.
"""

import json
from collections.abc import Iterator
from html import escape

from services.common.contracts.addresses import ip_interface
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.quoting import quoted
from services.imagebuilder.dialects import words
from services.imagebuilder.identity import hostname_problems

_COMPONENT = 'processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS"'
_MTU = range(1280, 1501)
_METRIC = range(1, 10000)
_DEFAULT = ("0.0.0.0/0", "::/0")


def render(model: NetworkModel, hostname: str) -> bytes:
    """The two components, to stand in the settings of the specialize pass."""
    _checked(model, hostname)
    lines = [*_component("TCPIP", _tcpip(model)), *_component("DNS-Client", _dns(model))]
    return "\n".join(f"    {line}" for line in lines).encode("ascii")


def links(model: NetworkModel, hostname: str) -> bytes:
    """A JSON list, one object a card, for the first logon's script."""
    _checked(model, hostname)
    return json.dumps([_link(nic) for nic in model.nics]).encode("ascii")


def _checked(model: NetworkModel, hostname: str) -> None:
    words.checked(model, [*_hostname(hostname), *_inexpressible(model)])


def _hostname(hostname: str) -> list[Problem]:
    if problems := hostname_problems(hostname):
        return problems
    if len(hostname) > 15 or hostname.isdigit():
        fix = "at most 15 characters, not all of them digits"
        return [Problem("/hostname", f"{quoted(hostname)} can't be a Windows computer's name", fix)]
    return []


def _inexpressible(model: NetworkModel) -> Iterator[Problem]:
    for what, links_ in (("bonds", model.bonds), ("vlans", model.vlans)):
        for index, _ in enumerate(links_):
            detail = f"Windows's answer file has no words for {what}"
            yield Problem(f"/{what}/{index}", detail, "tag or bundle on the host's side, or choose another os")
    for index, nic in enumerate(model.nics):
        yield from _of_nic(nic, f"/networks/{index}")


def _of_nic(nic: Nic, at: str) -> Iterator[Problem]:
    if nic.mtu and nic.mtu not in _MTU:
        detail = f"an MTU of {nic.mtu} needs the card's driver to be told in its own words"
        yield Problem(f"{at}/mtu", detail, "1280 to 1500, or leave it out")
    elif nic.mtu and not nic.configured:
        yield Problem(f"{at}/mtu", "in Windows only a link with IP has an MTU", "leave it out, or give it an address")
    if nic.dhcp4 and any(":" not in text for text in nic.addresses):
        detail = "Windows keeps either DHCP or fixed IPv4 addresses on a link"
        yield Problem(f"{at}/dhcp4", detail, "choose one of them")
    if not nic.default_route and (nic.gateway4 or nic.gateway6 or any(r.to in _DEFAULT for r in nic.routes)):
        detail = "a link that ignores default routes ignores its own one, too"
        yield Problem(f"{at}/default_route", detail, "leave it out, or leave the gateway out")
    for n, route in enumerate(nic.routes):
        if not nic.configured:
            yield Problem(f"{at}/routes/{n}", "the link has no IP to route with", "give the link an address")
        if route.metric is not None and route.metric not in _METRIC:
            yield Problem(f"{at}/routes/{n}/metric", f"{route.metric} is not a metric in Windows", "1 to 9999")


def _component(name: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    inner = [f"  {line}" for line in lines]
    return [f'<component name="Microsoft-Windows-{name}" {_COMPONENT}>', *inner, "</component>"]


def _identifier(nic: Nic) -> str:
    return words.mac(nic).upper().replace(":", "-")


def _tcpip(model: NetworkModel) -> list[str]:
    cards = [line for nic in model.nics if nic.configured for line in _interface(nic)]
    return ["<Interfaces>", *cards, "</Interfaces>"] if cards else []


def _interface(nic: Nic) -> Iterator[str]:
    yield '  <Interface wcm:action="add">'
    # A link without IPv4 is unbound from it at the first logon: a static link without an address is no valid answer.
    if _has_v4(nic):
        yield from _family("Ipv4Settings", nic.dhcp4, discovers=False)
    yield from _family("Ipv6Settings", nic.dhcp6, discovers=nic.accept_ra or nic.dhcp6)
    yield f"    <Identifier>{_identifier(nic)}</Identifier>"
    if nic.addresses:
        yield "    <UnicastIpAddresses>"
        for key, text in enumerate(nic.addresses, 1):
            yield f'      <IpAddress wcm:action="add" wcm:keyValue="{key}">{words.interface(text)}</IpAddress>'
        yield "    </UnicastIpAddresses>"
    yield from _routes(nic)
    yield "  </Interface>"


def _has_v4(nic: Nic) -> bool:
    return nic.dhcp4 or any(ip_interface(text).version == 4 for text in nic.addresses)


def _family(name: str, dhcp: bool, discovers: bool) -> Iterator[str]:
    yield f"    <{name}>"
    yield f"      <DhcpEnabled>{str(dhcp).lower()}</DhcpEnabled>"
    yield f"      <RouterDiscoveryEnabled>{str(discovers).lower()}</RouterDiscoveryEnabled>"
    yield f"    </{name}>"


def _routes(nic: Nic) -> Iterator[str]:
    wanted: list[tuple[str, str, int | None]] = [
        (to, via, None) for to, via in zip(_DEFAULT, (nic.gateway4, nic.gateway6), strict=True) if via
    ]
    wanted += [(route.to, route.via, route.metric) for route in nic.routes]
    if not wanted:
        return
    yield "    <Routes>"
    for number, (to, via, metric) in enumerate(wanted, 1):
        yield '      <Route wcm:action="add">'
        yield f"        <Identifier>{number}</Identifier>"
        if metric is not None:
            yield f"        <Metric>{int(metric)}</Metric>"
        yield f"        <NextHopAddress>{words.address(via)}</NextHopAddress>"
        yield f"        <Prefix>{words.network(to)}</Prefix>"
        yield "      </Route>"
    yield "    </Routes>"


def _dns(model: NetworkModel) -> list[str]:
    lines = []
    # Windows has one list for the whole computer.
    if search := list(dict.fromkeys(domain for nic in model.nics for domain in nic.search)):
        named = [_keyed("DomainName", key, domain) for key, domain in enumerate(search, 1)]
        lines += ["<DNSSuffixSearchOrder>", *named, "</DNSSuffixSearchOrder>"]
    if cards := [line for nic in model.nics if nic.dns for line in _servers(nic)]:
        lines += ["<Interfaces>", *cards, "</Interfaces>"]
    return lines


def _servers(nic: Nic) -> Iterator[str]:
    yield '  <Interface wcm:action="add">'
    yield f"    <Identifier>{_identifier(nic)}</Identifier>"
    yield "    <DNSServerSearchOrder>"
    for key, server in enumerate(nic.dns, 1):
        yield "    " + _keyed("IpAddress", key, words.address(server))
    yield "    </DNSServerSearchOrder>"
    yield "  </Interface>"


def _keyed(name: str, key: int, value: str) -> str:
    return f'  <{name} wcm:action="add" wcm:keyValue="{key}">{escape(value)}</{name}>'


def _link(nic: Nic) -> dict[str, str | int | bool]:
    return {
        "mac": _identifier(nic),
        "name": nic.name,
        "ipv4": _has_v4(nic),
        # A link with IPv4 alone keeps IPv6's link-local address: Microsoft advises against unbinding it.
        "ipv6": nic.configured,
        "mtu": nic.mtu,
        "default_route": nic.default_route,
    }
