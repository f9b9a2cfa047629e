# SPDX-License-Identifier: Apache-2.0
"""Is the network that was asked for really there? Compares a guest's report with the links asked for, by MAC."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from services.common.contracts.network import NetworkPlan, Nic

# A resolver on the guest itself hides the servers behind it.
LOCAL_RESOLVERS = ("127.", "::1")


def mismatches(nics: Sequence[Nic], report: Mapping[str, Any], networks: Mapping[str, NetworkPlan]) -> list[str]:
    """What is not as asked, one sentence each; empty when everything asked for was seen."""
    seen = {str(i.get("mac", "")).lower(): i for i in report.get("interfaces", [])}
    found = []
    for index, nic in enumerate(nics):
        if not nic.configured:
            continue
        link = seen.get(nic.mac.lower())
        if link is None:
            found.append(f"NIC {index} ({nic.mac}) is not there")
            continue
        found += [f"NIC {index} ({nic.mac}): {text}" for text in _link(nic, link, networks.get(nic.network))]
    return found + list(_routes(nics, report)) + list(_dns(nics, report))


def _link(nic: Nic, link: Mapping[str, Any], network: NetworkPlan | None) -> Iterator[str]:
    have = {str(ip_interface(a)) for a in link.get("addresses", []) if _is_interface(a)}
    for address in nic.addresses:
        if str(ip_interface(address)) not in have:
            yield f"address {address} is missing (seen: {', '.join(sorted(have)) or 'none'})"
    if nic.dhcp4 and not any(_leased(a, network) for a in have):
        yield f"no IPv4 address by DHCP (seen: {', '.join(sorted(have)) or 'none'})"
    if nic.mtu and link.get("mtu") not in (None, nic.mtu):
        yield f"MTU is {link.get('mtu')}, not {nic.mtu}"


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


def _routes(nics: Sequence[Nic], report: Mapping[str, Any]) -> Iterator[str]:
    routes = {(_target(r), str(r.get("via", ""))) for r in report.get("routes", [])}
    for index, nic in enumerate(nics):
        wanted = [("0.0.0.0/0", nic.gateway4)] if nic.gateway4 else []
        wanted += [("::/0", nic.gateway6)] if nic.gateway6 else []
        wanted += [(str(ip_network(r.to)), r.via) for r in nic.routes]
        for to, via in wanted:
            if (to, via) not in routes:
                yield f"NIC {index} ({nic.mac}): no route to {to} by {via}"


def _target(route: Mapping[str, Any]) -> str:
    to = str(route.get("to", ""))
    if to in ("default", ""):
        return "::/0" if ":" in str(route.get("via", "")) else "0.0.0.0/0"
    return to


def _dns(nics: Sequence[Nic], report: Mapping[str, Any]) -> Iterator[str]:
    have = [str(s) for s in report.get("dns", [])]
    if any(server.startswith(LOCAL_RESOLVERS) for server in have):
        return
    for index, nic in enumerate(nics):
        for server in nic.dns:
            if not any(_same(server, other) for other in have):
                yield f"NIC {index} ({nic.mac}): DNS server {server} is missing (seen: {', '.join(have) or 'none'})"


def _same(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False
