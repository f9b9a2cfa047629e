# SPDX-License-Identifier: Apache-2.0
"""How many more vms of each flavor the hosts take under a policy: each flavor alone, from what is there now.

As many as is certain are placed at once (simulation.filling), the rest one by one; the last try is always a decision of
the engine, which tells why there is room for no more.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy
from services.scheduler.simulation.filling import fill

MOST = 100_000  # of one flavor, counted one by one; more is told as "at least"
SECONDS = 20.0
Stopped = tuple[str, ...] | None


@dataclass(frozen=True)
class Fits:
    """`count` vms of a flavor can still be placed, on `hosts` hosts; the next one is refused by `stopped_by`."""

    flavor: str
    count: int
    hosts: int
    stopped_by: tuple[str, ...]  # filters that refuse the next one everywhere, or somewhere where no other does
    at_least: bool = False


@dataclass(frozen=True)
class Bounds:
    """How far to count one by one; all flavors together take about `seconds`, whatever there is to count."""

    most: int = MOST
    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic


_BOUNDS = Bounds()


def what_fits(
    policy: Policy, hosts: Sequence[HostView], flavors: Mapping[str, Request], bounds: Bounds = _BOUNDS
) -> tuple[Fits, ...]:
    """One answer for each flavor, in their order, as if its vms were placed one after the other until none fits."""
    end, found = bounds.clock() + bounds.seconds, list[Fits]()
    for left, (name, request) in zip(range(len(flavors), 0, -1), flavors.items(), strict=True):
        now = bounds.clock()
        found.append(_fits(policy, hosts, (name, request), replace(bounds, seconds=max(0.0, end - now) / left)))
    return tuple(found)


def _fits(policy: Policy, hosts: Sequence[HostView], flavor: tuple[str, Request], bounds: Bounds) -> Fits:
    (name, request), table, end = flavor, HostTable(hosts), bounds.clock() + bounds.seconds
    before = table.vms[: table.size].copy()
    fill(policy, table, request, lambda: bounds.clock() >= end)
    stopped = _one_by_one(policy, table, request, lambda count: count >= bounds.most or bounds.clock() >= end)
    more = table.vms[: table.size] - before
    return Fits(name, int(more.sum()), int((more > 0).sum()), stopped or (), at_least=stopped is None)


def _one_by_one(policy: Policy, table: HostTable, request: Request, until: Callable[[int], bool]) -> Stopped:
    """Place until none fits: the filters that refuse the next one; None where `until` says so of how many there are."""
    engine = Engine(policy, table, compiles=False)  # of most flavors one decision is asked
    for number in count():
        found = engine.decide(replace(request, id=f"{request.id}-{number}"))
        if found.row < 0:
            return tuple(f.filter for f in found.filters if f.rejected_alone or f.rejected_first == len(table) > 0)
        if until(number):
            break
        table.claim(found.row, request)
    return None
