# SPDX-License-Identifier: Apache-2.0
"""Addresses for links that asked for one and didn't say which: reserved for them, or out of the network's ranges. Pure.

What is chosen here stands in the request from then on, and is kept by the database as any other address: two vms that
were given the same one at the same moment are told apart there, and the second looks again.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.common.contracts.address_pools import Pool
from services.common.contracts.errors import Problem
from services.common.contracts.network import NetworkKind, NetworkPlan
from services.common.contracts.vm import nic_mac

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class Pools:
    """Of networks that have ranges or reservations, by id: what they have to give, and what is given already."""

    pools: Mapping[str, Pool]
    taken: Mapping[str, frozenset[str]]


NO_POOLS = Pools({}, {})


@dataclass(frozen=True)
class _Card:
    """A card that is plugged into a network which gives addresses; `name` is its vm's where that counts for it."""

    link: JsonDict
    net: NetworkPlan
    pool: Pool
    mac: str
    name: str
    at: str

    def address(self, used: Collection[str], key: str) -> str:
        """The one it shall have; "" where it has one, wants none, gets it otherwise, or none is left."""
        if self.link["addresses"] or self.link.get("method", "static") != "static":
            return ""
        says_so = self.link.get("method") == "static"
        by_itself = says_so or not (self.net.dhcp_start or self.net.kind == NetworkKind.BRIDGE)
        return self.pool.reserved_for(self.name, self.mac) or (self.pool.free(used, key) if by_itself else "")

    def problems(self) -> Iterator[Problem]:
        """Addresses that others have reserved, and that there is none to be had."""
        for n, text in enumerate(self.link["addresses"]):
            found = self.pool.reservation(text.partition("/")[0])
            if found is not None and not found.fits(self.name, self.mac):
                detail = f"{found.address} is reserved for {found.whose}"
                yield Problem(f"{self.at}/addresses/{n}", detail, "choose another address, or leave it out")
        if not self.link["addresses"] and self.link.get("method") == "static" and self.pool.ranges:
            detail = f"network {self.net.name!r} has no address left in its ranges"
            yield Problem(f"{self.at}/addresses", detail, "give one outside, or ask for larger ranges")


def assigned(
    vm_id: str, asked: JsonDict, nets: Mapping[str, NetworkPlan], pools: Pools
) -> tuple[JsonDict, list[Problem]]:
    """The request with an address in every card that lacks one it can have, and what is wrong with those it names."""
    if not pools.pools:
        return asked, []
    problems: list[Problem] = []
    used = {network: set(taken) for network, taken in pools.taken.items()}
    links = [dict(link) for link in asked["networks"]]
    for card in _cards(vm_id, {**asked, "networks": links}, nets, pools):
        found = card.address(used[card.net.id], f"{vm_id}{card.at}")
        if found:
            card.link["addresses"] = [card.pool.with_prefix(found)]
            used[card.net.id].add(found)
        problems += card.problems()
    return {**asked, "networks": links}, problems


def _cards(vm_id: str, asked: JsonDict, nets: Mapping[str, NetworkPlan], pools: Pools) -> Iterator[_Card]:
    had: set[str] = set()
    for n, link in enumerate(asked["networks"]):
        net = nets.get(link["network"])
        pool = pools.pools.get(net.id) if net else None
        if net is None or pool is None or "vlan" in link or "bond" in link:
            continue
        name = "" if net.id in had else asked.get("name", "")
        had.add(net.id)
        yield _Card(link, net, pool, link.get("mac") or nic_mac(vm_id, n), name, f"/networks/{n}")
