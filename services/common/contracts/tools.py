# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor's own program inside a guest (VMware Tools) says of it: the second source, beside our own agent.

It is the guest that speaks there, so all of it is cut to size, and believed no more than any other guest's word.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any

from services.common.contracts.network import NetworkModel, NetworkPlan, Nic
from services.common.contracts.observed import link_mismatches

MOST_LINKS, MOST_ADDRESSES, MOST_TEXT = 32, 32, 255
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class ToolsLink:
    """A card and its addresses, with their prefix lengths where these are told."""

    mac: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolsFacts:
    """All that is told; of a guest in which it doesn't run, nothing else."""

    running: bool
    hostname: str = ""
    os: str = ""
    links: tuple[ToolsLink, ...] = ()


def cleaned(facts: ToolsFacts) -> ToolsFacts:
    """The same without what can't be, in an order of its own: equal where nothing has changed."""
    if not facts.running:
        return ToolsFacts(False)
    known = {link.mac.lower(): link.addresses for link in facts.links if _MAC.fullmatch(link.mac.lower())}
    links = tuple(ToolsLink(mac, _addresses(known[mac])) for mac in sorted(known)[:MOST_LINKS])
    return ToolsFacts(True, _text(facts.hostname), _text(facts.os), links)


def disagreements(model: NetworkModel, facts: ToolsFacts, networks: Mapping[str, NetworkPlan]) -> list[str] | None:
    """What of the cards' addresses is not as asked, one sentence each; None where nobody can tell.

    It knows cards alone: nothing of bonds and VLANs, and nothing as long as no card is told of. Routes, DNS and MTUs
    are not compared.
    """
    if not facts.running or not facts.links or model.bonds or model.vlans:
        return None
    asked = {nic.mac.lower(): nic for nic in model.nics}
    interfaces = [{"mac": link.mac, "addresses": _as_asked(link, asked.get(link.mac))} for link in facts.links]
    return list(link_mismatches(model, interfaces, networks))


def _as_asked(link: ToolsLink, nic: Nic | None) -> Sequence[str]:
    """Its addresses; one that came without a prefix length has that of the address it was to be."""
    prefixes: dict[Any, str] = {ip_interface(asked).ip: asked for asked in (nic.addresses if nic else ())}
    return [text if "/" in text else prefixes.get(ip_address(text), text) for text in link.addresses]


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    found = {text: known for text in texts if (known := _interface(text)) is not None}
    spelt = {str(known) if "/" in text else str(known.ip) for text, known in found.items()}
    return tuple(sorted(spelt)[:MOST_ADDRESSES])


def _interface(text: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(text) if "%" not in text else None  # what follows is anything
    except ValueError:
        return None


def _text(text: str) -> str:
    return "".join(_printable(text))[:MOST_TEXT].strip()


def _printable(text: str) -> Iterator[str]:
    return (letter for letter in text if letter.isprintable())
