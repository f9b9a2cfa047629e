# SPDX-License-Identifier: Apache-2.0
"""Is the network that was asked for really there? Compares a guest's report with the links asked for.

A card is known by its MAC. A bond and a VLAN have the MAC of a card, or one that the guest made up: they are known by
their names, which we gave them.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from services.common.contracts.network import Bond, Link, NetworkModel, NetworkPlan, Nic, Vlan

# A resolver on the guest itself hides the servers behind it.
LOCAL_RESOLVERS = ("127.", "::1")


def mismatches(model: NetworkModel, report: Mapping[str, Any], networks: Mapping[str, NetworkPlan]) -> list[str]:
    """What is not as asked, one sentence each; empty when everything asked for was seen."""
    links = link_mismatches(model, list(report.get("interfaces", [])), networks)
    return [*links, *_routes(model, report), *_dns(model, report)]


def link_mismatches(
    model: NetworkModel, interfaces: Sequence[Mapping[str, Any]], networks: Mapping[str, NetworkPlan]
) -> Iterator[str]:
    """The same of links and their addresses alone."""
    for _, name, link in model.links():
        if isinstance(link, Nic) and not link.configured:
            continue
        called, seen = _called(model, link), _seen(model, link, name, interfaces)
        if seen is None:
            yield f"{called} is not there"
        else:
            yield from (f"{called}: {text}" for text in _differences(link, seen, _plugged_into(model, link, networks)))


def _called(model: NetworkModel, link: Link) -> str:
    if isinstance(link, Nic):
        return f"NIC {next(n for n, other in enumerate(model.nics) if other is link)} ({link.mac})"
    return f"bond {link.name}" if isinstance(link, Bond) else f"VLAN {link.id} ({link.name})"


def _seen(
    model: NetworkModel, link: Link, name: str, interfaces: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    named = next((i for i in interfaces if i.get("name") == name), None)
    if not isinstance(link, Nic):
        return named
    others = {name for _, name, other in model.links() if not isinstance(other, Nic)}
    cards = [i for i in interfaces if _mac(i) == link.mac.lower() and i.get("name") not in others]
    return named if named in cards else next(iter(cards), None)


def _mac(interface: Mapping[str, Any]) -> str:
    return str(interface.get("mac", "")).lower()


def _plugged_into(model: NetworkModel, link: Link, networks: Mapping[str, NetworkPlan]) -> NetworkPlan | None:
    """The platform's network a link's lease must be of; None where that can't be told, as behind a VLAN's tag."""
    if isinstance(link, Vlan):
        return None
    nic = model.nic(link.members[0]) if isinstance(link, Bond) and link.members else link
    return networks.get(nic.network) if isinstance(nic, Nic) else None


def _differences(link: Link, seen: Mapping[str, Any], network: NetworkPlan | None) -> Iterator[str]:
    have = {str(ip_interface(a)) for a in seen.get("addresses", []) if _is_interface(a)}
    listed = ", ".join(sorted(have)) or "none"
    for address in link.addresses:
        if str(ip_interface(address)) not in have:
            yield f"address {address} is missing (seen: {listed})"
    if link.dhcp4 and not any(_leased(a, network) for a in have):
        yield f"no IPv4 address by DHCP (seen: {listed})"
    if (link.dhcp6 or link.accept_ra) and not any(_global6(a) for a in have):
        yield f"no IPv6 address by {'DHCPv6' if link.dhcp6 else 'router advertisement'} (seen: {listed})"
    if link.mtu and seen.get("mtu") not in (None, link.mtu):
        yield f"MTU is {seen.get('mtu')}, not {link.mtu}"


def _is_interface(text: object) -> bool:
    try:
        ip_interface(str(text))
    except ValueError:
        return False
    return True


def _leased(address: str, network: NetworkPlan | None) -> bool:
    interface = ip_interface(address)
    if interface.version != 4 or interface.ip.is_link_local:
        return False
    return network is None or not network.cidr or interface.ip in ip_network(network.cidr)


def _global6(address: str) -> bool:
    interface = ip_interface(address)
    return interface.version == 6 and not interface.ip.is_link_local


def _routes(model: NetworkModel, report: Mapping[str, Any]) -> Iterator[str]:
    routes = {(_target(r), str(r.get("via", ""))) for r in report.get("routes", [])}
    for _, _, link in model.links():
        wanted = [("0.0.0.0/0", link.gateway4)] if link.gateway4 else []
        wanted += [("::/0", link.gateway6)] if link.gateway6 else []
        wanted += [(str(ip_network(r.to)), r.via) for r in link.routes]
        for to, via in wanted:
            if (to, via) not in routes:
                yield f"{_called(model, link)}: no route to {to} by {via}"


def _target(route: Mapping[str, Any]) -> str:
    to = str(route.get("to", ""))
    if to in ("default", ""):
        return "::/0" if ":" in str(route.get("via", "")) else "0.0.0.0/0"
    return to


def _dns(model: NetworkModel, report: Mapping[str, Any]) -> Iterator[str]:
    have = [str(s) for s in report.get("dns", [])]
    if any(server.startswith(LOCAL_RESOLVERS) for server in have):
        return
    for _, _, link in model.links():
        for server in link.dns:
            if not any(_same(server, other) for other in have):
                seen = ", ".join(have) or "none"
                yield f"{_called(model, link)}: DNS server {server} is missing (seen: {seen})"


def _same(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False
