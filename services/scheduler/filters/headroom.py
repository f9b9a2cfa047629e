# SPDX-License-Identifier: Apache-2.0
"""Hosts where a vm may be so that it survives the loss of any N hosts.

Two conditions, both among the hosts of one hypervisor that the policy's `state` filter lets pass:
- all together: of each resource, what is claimed and what is asked fits into the limits of all hosts without the N
  largest;
- alone: at least N hosts besides the vm's own have room for it now. So one is left whichever N are lost.
It is not promised that vms of many sizes can all be packed into what is left; that can't be told without trying.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.filters.capacity import LEAST, WORDS, CapacityFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.rule import Filter, Refusal

if TYPE_CHECKING:
    from services.scheduler.engine.table import Bools, HostTable, Ints


@dataclass(frozen=True)
class Pool:
    """The hosts of one hypervisor: what is left of each resource after the loss, and who has room for the vm."""

    left: Mapping[str, int]
    roomy: frozenset[str]


_NONE = Pool(dict.fromkeys(WORDS, 0), frozenset())


@dataclass(frozen=True)
class HeadroomFilter(Filter):
    """`hosts` is N, above 0. Looks at `request.vcpus`, `memory_mib` and `disk_gib`."""

    name = "headroom"
    fleet = True
    capacity: Capacity
    state: StateFilter
    hosts: int
    pools: Mapping[str, Pool] = field(default_factory=dict)

    def among(self, request: Request, hosts: Sequence[HostView]) -> "HeadroomFilter":
        alive = [h for h in hosts if self.state.refuse(request, h) is None]
        drivers = {h.driver for h in alive}
        pools = {driver: self._pool(request, [h for h in alive if h.driver == driver]) for driver in drivers}
        return replace(self, pools=pools)

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        pool = self.pools.get(host.driver, _NONE)
        short = {r: getattr(request, r) - left for r, left in pool.left.items() if getattr(request, r) > left}
        lost = f"after the loss of {self.hosts} host{'s' if self.hosts > 1 else ''}"
        if short:
            fits = {r: pool.left[r] for r in short}
            missing = " and ".join(f"{amount} {WORDS[r]}" for r, amount in short.items())
            helps = all(fits[r] >= LEAST[r] for r in fits)
            return Refusal(f"can't be used up: {missing} would be missing {lost}", change=fits if helps else None)
        others = len(pool.roomy) - (host.id in pool.roomy)
        if others >= self.hosts:
            return None
        return Refusal(f"would be the vm's only place: {others} other {host.driver} hosts have room for it {lost}")

    def passes(self, request: Request, table: "HostTable", rows: "Ints") -> "Bools":
        roomy, pools = self._columns(request, table)
        found = np.zeros(len(rows), np.bool_)
        for pool, left in pools:
            mine = table.driver[rows] == table.driver[pool[0]]
            if all(getattr(request, resource) <= most for resource, most in left.items()):
                others = int(roomy[pool].sum()) - roomy[rows]
                found |= mine & (others >= self.hosts)
        return found

    def among_rows(self, request: Request, table: "HostTable") -> "HeadroomFilter":
        """`among` all hosts of the table."""
        roomy, pools = self._columns(request, table)
        told = {}
        for pool, left in pools:
            ids = frozenset(table.ids[row] for row in pool[roomy[pool]].tolist())
            told[table.view(int(pool[0])).driver] = Pool(left, ids)
        return replace(self, pools=told)

    def left_of(self, request: Request, table: "HostTable", rows: "Ints") -> "list[Ints]":
        """What is left of each resource in the pool that each row is in; 0 in none."""
        left = [np.zeros(len(rows), np.int64) for _ in WORDS]
        for pool, most in self._columns(request, table)[1]:
            mine = table.driver[rows] == table.driver[pool[0]]
            for column, resource in zip(left, WORDS, strict=True):
                column[mine] = most[resource]
        return left

    def _columns(self, request: Request, table: "HostTable") -> "tuple[Bools, list[tuple[Ints, dict[str, int]]]]":
        """Which rows that count have room; and of each hypervisor these rows, and what they have left."""
        every = np.flatnonzero(table.present[: table.size])
        alive = every[self.state.passes(request, table, every)]
        roomy = np.zeros(table.size, np.bool_)
        roomy[alive] = CapacityFilter(self.capacity).passes(request, table, alive)
        pools = [alive[table.driver[alive] == driver] for driver in np.unique(table.driver[alive])]
        return roomy, [(pool, self._left(table, pool)) for pool in pools]

    def _pool(self, request: Request, hosts: Sequence[HostView]) -> Pool:
        limits = [self.capacity.limits(host) for host in hosts]
        left = {}
        for resource in WORDS:
            each = sorted(getattr(limit, resource) for limit in limits)
            used = sum(getattr(host, f"used_{resource}") for host in hosts)
            left[resource] = sum(each[: -self.hosts]) - used
        fits = CapacityFilter(self.capacity)
        return Pool(left, frozenset(h.id for h in hosts if fits.refuse(request, h) is None))

    def _left(self, table: "HostTable", pool: "Ints") -> dict[str, int]:
        left = {}
        for resource, limits in zip(WORDS, self.capacity.limits_of(table, pool), strict=True):
            kept = np.sort(limits)[: -self.hosts].sum()
            left[resource] = int(kept - getattr(table, f"used_{resource}")[pool].sum())
        return left
