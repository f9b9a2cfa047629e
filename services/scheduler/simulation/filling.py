# SPDX-License-Identifier: Apache-2.0
"""Many vms like each other placed at once, where that comes to the same as one after the other.

Where no filter looks at other hosts, what one host takes doesn't depend on what others took: each is filled by itself.
With headroom the order counts. What every host is worth with one more vm, and one more, is worked out for all of them
together, and the turns are merged, best first, until the loss of hosts could not be borne any more.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.capacity import Capacity
from services.scheduler.concerning import concerns
from services.scheduler.engine.formulas import GRAIN
from services.scheduler.engine.plan import plan_of
from services.scheduler.engine.table import HostTable, Ints
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.headroom import HeadroomFilter
from services.scheduler.policy import Policy

Until = Callable[[], bool]
Turn = tuple[int, int, int]  # what a host is worth with its next vm, least first: score, vms there, rank of its id


def fill(policy: Policy, table: HostTable, request: Request, until: Until) -> None:
    """Claim for vms like this one what placing them in turn would; nothing where that can't be told at once.

    After `until` there may be less than that.
    """
    amounts = _amounts(request)
    if max(amounts) <= 0 or min(amounts) < 0 or not any(isinstance(f, CapacityFilter) for f in policy.filters):
        return  # nothing would ever end it
    fleet = [f for f in policy.filters if f.fleet and concerns(f, request)]
    if not fleet:
        _each_by_itself(policy, table, request, until)
    elif all(isinstance(f, HeadroomFilter) for f in fleet) and _ordered(policy, request):
        _in_turn(policy, table, request, until)


def room(capacity: Capacity, table: HostTable, request: Request, rows: Ints) -> Ints:
    """How often each of these rows has room for the vm, by the resource that is used up first."""
    used = table.used_vcpus[rows], table.used_memory_mib[rows], table.used_disk_gib[rows]
    limits = capacity.limits_of(table, rows)
    times = [(most - taken) // ask for most, taken, ask in zip(limits, used, _amounts(request), strict=True) if ask]
    found: Ints = np.where(table.vcpus[rows] >= request.vcpus, np.maximum(0, np.min(times, axis=0)), 0)
    return found


def _each_by_itself(policy: Policy, table: HostTable, request: Request, until: Until) -> None:
    # What only room ends is filled at once; a rule that looks at anything else is asked before each vm.
    changing = [f for _, f in plan_of(policy).changing if type(f) is not CapacityFilter and concerns(f, request)]
    rows = _present(table)
    while len(rows := _passing(policy, table, request, rows)) and not until():
        times = np.ones(len(rows), np.int64) if changing else room(policy.capacity, table, request, rows)
        _claim(table, request, dict(zip(rows.tolist(), times.tolist(), strict=True)))


def _in_turn(policy: Policy, table: HostTable, request: Request, until: Until) -> None:
    rules = [f for f in policy.filters if isinstance(f, HeadroomFilter)]
    pools = {driver: [_pool(rule, table, request, driver) for rule in rules] for driver in np.unique(table.driver)}
    drivers, full = table.driver.tolist(), _full_after(policy, table, request)
    turns = _turns(policy, table, request, until)
    if turns is None:
        return
    placed: Counter[int] = Counter()
    heap = [(keys[0], row) for row, keys in turns.items()]
    heapq.heapify(heap)
    while heap:
        _, row = heap[0]
        mine = pools[drivers[row]]
        if all(pool.bears for pool in mine):
            placed[row] += 1
            for pool in mine:
                pool.left -= 1
                pool.roomy -= placed[row] == full[row]
            if placed[row] < len(turns[row]):
                heapq.heapreplace(heap, (turns[row][placed[row]], row))
                continue
        heapq.heappop(heap)  # it has its last one; or what can't be borne now, which can't be later either
    _claim(table, request, placed)


@dataclass
class _Pool:
    """The hosts of one hypervisor, as headroom sees them while vms come."""

    left: int  # so many fit before the limits without the largest hosts are reached
    roomy: int  # hosts that have room for another one
    lost: int

    @property
    def bears(self) -> bool:
        """Whether one more vm may come to a host that has room."""
        return self.left > 0 and self.roomy > self.lost


def _pool(rule: HeadroomFilter, table: HostTable, request: Request, driver: int) -> _Pool:
    rows = _present(table)
    rows = rows[rule.state.passes(request, table, rows)]
    rows = rows[table.driver[rows] == driver]
    used = table.used_vcpus[rows], table.used_memory_mib[rows], table.used_disk_gib[rows]
    limits = rule.capacity.limits_of(table, rows)
    fits = [
        int(np.sort(most)[: -rule.hosts].sum() - taken.sum()) // ask
        for most, taken, ask in zip(limits, used, _amounts(request), strict=True)
        if ask
    ]
    roomy = CapacityFilter(rule.capacity).passes(request, table, rows)
    return _Pool(min(fits), int(roomy.sum()), rule.hosts)


def _full_after(policy: Policy, table: HostTable, request: Request) -> list[int]:
    found: list[int] = room(policy.capacity, table, request, np.arange(table.size)).tolist()
    return found


def _turns(policy: Policy, table: HostTable, request: Request, until: Until) -> dict[int, list[Turn]] | None:
    """By row what each further vm there is worth, as long as the host's own filters let it in; None after `until`.

    The table is as it was before.
    """
    ranks, ties = table.ranks(), "fewest_vms" in policy.tie_break.order
    turns: dict[int, list[Turn]] = {}
    rounds: list[Ints] = []
    rows = _present(table)
    while len(rows := _passing(policy, table, request, rows)) and not until():
        scores = (-_scores(policy, table, request, rows)).tolist()
        vms = table.vms[rows].tolist() if ties else [0] * len(rows)
        for row, score, there, rank in zip(rows.tolist(), scores, vms, ranks[rows].tolist(), strict=True):
            turns.setdefault(row, []).append((score, there, rank))
        _claim(table, request, dict.fromkeys(rows.tolist(), 1))
        rounds.append(rows)
    for claimed in rounds:
        _claim(table, request, dict.fromkeys(claimed.tolist(), -1))
    return None if len(rows) else turns


def _scores(policy: Policy, table: HostTable, request: Request, rows: Ints) -> Ints:
    score = np.zeros(len(rows), np.int64)
    for weighted in policy.weighers:
        norms = weighted.weigher.norms(request, table, rows)
        score += np.rint(weighted.multiplier * norms * GRAIN).astype(np.int64)
    return score


def _passing(policy: Policy, table: HostTable, request: Request, rows: Ints) -> Ints:
    """Those of the rows that every filter lets pass that looks at no other host."""
    for rule in (f for f in policy.filters if not f.fleet):
        rows = rows[rule.passes(request, table, rows)]
    return rows


def _claim(table: HostTable, request: Request, times: Mapping[int, int]) -> None:
    for row, count in times.items():
        table.claim(row, request, count)


def _present(table: HostTable) -> Ints:
    return np.flatnonzero(table.present[: table.size])


def _ordered(policy: Policy, request: Request) -> bool:
    """Whether a host's place in the order follows from that host alone."""
    alone = not any(w.weigher.fleet and concerns(w.weigher, request) for w in policy.weighers)
    return alone and policy.normalise == "absolute" and policy.tie_break.among_top == 1


def _amounts(request: Request) -> tuple[int, int, int]:
    return request.vcpus, request.memory_mib, request.disk_gib
