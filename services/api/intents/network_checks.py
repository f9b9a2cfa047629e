# SPDX-License-Identifier: Apache-2.0
"""Whether a network can be as it is asked for: its own fields, and the networks that are there already."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkKind
from services.common.store.models import Network

JsonDict = Mapping[str, Any]
Net = IPv4Network | IPv6Network


def network_field_problems(asked: JsonDict) -> Iterator[Problem]:
    """What of a network's fields doesn't fit together."""
    yield from _tag(asked)
    if asked["kind"] == NetworkKind.BRIDGE:
        if not asked["bridge"]:
            yield Problem("/bridge", "a network of kind bridge needs the bridge's name on the hosts", "add it")
        if not asked["cidr"]:
            for field in ("ranges", "reservations"):
                if asked.get(field):
                    yield Problem(f"/{field}", "addresses are given out of a network's cidr", "give its cidr, too")
            return
    try:
        net = ip_network(asked["cidr"])
    except ValueError as error:
        yield Problem("/cidr", f"{asked['cidr']!r} is not a network: {error}", 'write it like "10.80.0.0/24"')
        return
    if asked["kind"] == NetworkKind.NAT and not asked["gateway"]:
        yield Problem("/gateway", "a nat network needs the host's address on it", f"like {next(iter(net.hosts()))}")
    for field in ("gateway", "dhcp_start", "dhcp_end"):
        yield from _inside(asked[field], net, f"/{field}")
    yield from _dhcp(asked)
    yield from pool_problems(asked, net)
    for n, server in enumerate(asked["dns"]):
        if _number(server) is None:
            yield Problem(f"/dns/{n}", f"{server!r} is not an IP address", "give a DNS server's IP address")


def pool_problems(asked: JsonDict, net: Net) -> Iterator[Problem]:
    """What is wrong with ranges and reservations."""
    served = _dhcp_range(asked)
    seen = [(served[0], served[1], "the DHCP range")] if served else []
    for n, one in enumerate(asked.get("ranges", ())):
        at = f"/ranges/{n}"
        wrong = [*_inside(one["start"], net, f"{at}/start"), *_inside(one["end"], net, f"{at}/end")]
        first, last = _number(one["start"]), _number(one["end"])
        if wrong or first is None or last is None:
            yield from wrong
            continue
        if first > last:
            yield Problem(f"{at}/end", f"{one['end']} is before {one['start']}", "exchange start and end")
        for begin, end, what in seen:
            if first <= end and last >= begin:
                yield Problem(at, f"{one['start']} to {one['end']} overlaps {what}", "keep ranges apart")
        seen.append((first, last, f"the range of /ranges/{n}"))
    yield from _reservations(asked, net)


def overlap_problems(asked: JsonDict, others: Iterable[Network], project: str | None) -> Iterator[Problem]:
    """Networks whose addresses these would be, too: a host could not tell them apart, and neither could people.

    Those that only bridge are the business of whoever runs that bridge.
    """
    if asked["kind"] == NetworkKind.BRIDGE:
        return
    net = ip_network(asked["cidr"])
    for other in others:
        if other.kind == NetworkKind.BRIDGE or not other.cidr:
            continue
        theirs = ip_network(other.cidr)
        visible = other.project_id is None or project is None or other.project_id == project
        clashes = visible or (asked["gateway"] and other.gateway)  # hosts have an address on both
        if clashes and theirs.version == net.version and net.overlaps(theirs):
            what = f"network {other.name!r} ({other.cidr})" if visible else "a network of another project"
            yield Problem("/cidr", f"{net} overlaps {what}", "choose other addresses")
            return


def _reservations(asked: JsonDict, net: Net) -> Iterator[Problem]:
    had: dict[str, int] = {}
    served = _dhcp_range(asked)
    for n, one in enumerate(asked.get("reservations", ())):
        at, address = f"/reservations/{n}", one["address"]
        yield from _inside(address, net, f"{at}/address")
        if bool(one.get("mac")) == bool(one.get("name")):
            yield Problem(at, "a reservation is for a card (mac) or for a vm (name)", "give one of the two")
        elif one.get("name") and asked["shared"]:
            yield Problem(f"{at}/name", "in a network of every project a name is anybody's", "reserve it for a mac")
        number = _number(address)
        if served and number is not None and served[0] <= number <= served[1]:
            yield Problem(f"{at}/address", f"{address} is in the DHCP range", "choose an address outside")
        if number is not None and number == _number(asked["gateway"]):
            yield Problem(f"{at}/address", f"{address} is the gateway", "choose another address")
        for key in filter(None, (address, one.get("mac", "").lower(), one.get("name"))):
            if key in had:
                yield Problem(at, f"{key} has a reservation already (see /reservations/{had[key]})", "keep one")
            had.setdefault(key, n)


def _tag(asked: JsonDict) -> Iterator[Problem]:
    if not asked.get("vlan"):
        return
    if asked["kind"] != NetworkKind.BRIDGE:
        yield Problem("/vlan", "only a network of kind bridge is tagged", "leave it out")
    elif asked.get("anti_spoof"):
        detail = "what an Open vSwitch carries (vlan) passes no filter of its host"
        yield Problem("/anti_spoof", detail, "leave it out, or use a bridge without tags")


def _dhcp(asked: JsonDict) -> Iterator[Problem]:
    first, last = _number(asked["dhcp_start"]), _number(asked["dhcp_end"])
    if bool(asked["dhcp_start"]) != bool(asked["dhcp_end"]):
        yield Problem("/dhcp_end", "a DHCP range has a first and a last address", "give both, or neither")
    elif first is not None and last is not None and first > last:
        detail = f"{asked['dhcp_end']} is before {asked['dhcp_start']}"
        yield Problem("/dhcp_end", detail, "exchange dhcp_start and dhcp_end")


def _dhcp_range(asked: JsonDict) -> tuple[int, int] | None:
    first, last = _number(asked["dhcp_start"]), _number(asked["dhcp_end"])
    return None if first is None or last is None else (first, last)


def _inside(text: str, net: Net, at: str) -> Iterator[Problem]:
    if not text:
        return
    if _number(text) is None:
        yield Problem(at, f"{text!r} is not an IP address", f"choose an address in {net}")
    elif ip_address(text) not in net:
        yield Problem(at, f"{text} is outside {net}", f"choose an address in {net}")


def _number(text: str) -> int | None:
    """An address as a number, to be compared; None for what is none."""
    try:
        return int(ip_address(text))
    except ValueError:
        return None
