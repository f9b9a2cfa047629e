# SPDX-License-Identifier: Apache-2.0
"""The networks of a build: cards of a machine that is not ours, so no network of the platform is meant. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface
from typing import Any

from services.api import grammar
from services.api.uii.reading import Fields
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkModel, Nic
from services.common.contracts.network_rules import network_problems

OFFLINE = "none of your networks has a valid internet connection"
_MOST_SERVERS = 8
# What our model calls a field, as it is called here.
_WORDS = {"addresses": "ipnet", "gateway4": "gateway", "gateway6": "gateway", "search": "domain"}


def nics_of(asked: Sequence[Mapping[str, Any]]) -> tuple[tuple[Nic, ...], list[Problem]]:
    """The cards, and everything that is wrong with them, by the names of the request."""
    links = [_Link(Fields(link, f"/networks/{n}")) for n, link in enumerate(asked)]
    nics = tuple(link.nic for link in links)
    problems = [problem for link in links for problem in link.problems]
    if all(link.offline for link in links):
        problems.insert(0, Problem("/networks", OFFLINE))
    if len(links) > 1:
        problems += [
            Problem(f"/networks/{n}/mac", "with several networks each needs its card's MAC address", "add it")
            for n, nic in enumerate(nics)
            if not nic.mac
        ]
    # What is wrong with a link by itself was said in its own words already.
    said = {problem.pointer for problem in problems}
    rules = (_here(problem) for problem in network_problems(NetworkModel(nics)))
    return nics, problems + [problem for problem in rules if problem.pointer not in said]


class _Link:
    """One network of the request; `nic` is what it comes to."""

    def __init__(self, given: Fields):
        self.offline = given.flag("nointernet")
        dhcp, domain = given.flag("dhcp"), given.text("domain")
        ipnet, gateway, mac = given.text("ipnet"), given.text("gateway"), given.text("mac")
        if domain:
            given.checked("domain", grammar.domain, domain)
        if mac:
            given.checked("mac", grammar.multicast_free, mac)
        servers = [word for text in given.texts("dns", _MOST_SERVERS) for word in text.replace(",", " ").split()]
        given.end()
        self.problems = [*given.problems, *(_dynamic if dhcp else self._static)(given, ipnet, gateway)]
        # A router of a network without internet is nobody's way out.
        leads_out = bool(gateway) and not dhcp and not self.offline
        self.nic = Nic(
            mac=mac.lower(),
            network="",
            dhcp4=dhcp,
            addresses=() if dhcp or not ipnet else (ipnet,),
            gateway4=gateway if leads_out and ":" not in gateway else "",
            gateway6=gateway if leads_out and ":" in gateway else "",
            dns=tuple(servers),
            search=(domain,) if domain else (),
            default_route=not self.offline,
        )

    def _static(self, given: Fields, ipnet: str, gateway: str) -> Iterator[Problem]:
        at = given.at
        if not ipnet:
            yield Problem(f"{at}/ipnet", "a network without dhcp needs an address", 'like "192.0.2.10/24"')
            return
        if not gateway:
            if not self.offline:
                yield Problem(f"{at}/gateway", "a static network needs a gateway", "give its router's address")
            return
        try:
            inside = ip_address(gateway) in ip_interface(ipnet).network
        except ValueError:
            if self.offline:  # of others the network's own rules say it
                yield Problem(f"{at}/gateway", f"{gateway[:60]!r} is not an IP address", "give the router's address")
            return
        if not inside:
            yield Problem(f"{at}/gateway", f"gateway {gateway} is outside {ipnet}", "use a router on the link")


def _dynamic(given: Fields, ipnet: str, gateway: str) -> Iterator[Problem]:
    for name, value in (("ipnet", ipnet), ("gateway", gateway)):
        if value:
            yield Problem(f"{given.at}/{name}", f"a network with dhcp takes no {name}", "leave it out, or dhcp")


def _here(problem: Problem) -> Problem:
    steps = problem.pointer.split("/")
    if len(steps) > 3 and steps[3] in _WORDS:
        steps = [*steps[:3], _WORDS[steps[3]]]  # each of these is one value here
    return Problem("/".join(steps), problem.detail, problem.fix)
