# SPDX-License-Identifier: Apache-2.0
"""How many more vms of each flavor the hosts take under a policy: each flavor alone, from what is there now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy

MOST = 100_000  # of one flavor; more is told as "at least"


@dataclass(frozen=True)
class Fits:
    """`count` vms of a flavor can still be placed, on `hosts` hosts; the next one is refused by `stopped_by`."""

    flavor: str
    count: int
    hosts: int
    stopped_by: tuple[str, ...]  # filters that refuse the next one everywhere, or somewhere where no other does
    at_least: bool = False


def what_fits(
    policy: Policy, hosts: Sequence[HostView], flavors: Mapping[str, Request], most: int = MOST
) -> tuple[Fits, ...]:
    """One answer for each flavor, in their order; what the policy decides is what is counted."""
    return tuple(_fits(policy, HostTable(hosts), name, request, most) for name, request in flavors.items())


def _fits(policy: Policy, table: HostTable, name: str, request: Request, most: int) -> Fits:
    engine, used = Engine(policy, table), set[int]()
    for count in range(most):
        found = engine.decide(replace(request, id=f"{request.id}-{count}"))
        if found.row < 0:
            refusing = tuple(f.filter for f in found.filters if f.rejected_alone or f.rejected_first == len(table) > 0)
            return Fits(name, count, len(used), refusing)
        table.claim(found.row, request)
        used.add(found.row)
    return Fits(name, most, len(used), (), at_least=True)
