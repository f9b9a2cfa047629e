# SPDX-License-Identifier: Apache-2.0
"""The whole explanation of a decision: what choose() says, from columns."""

from services.common.contracts.placement import Decision, HostView, Relaxation, Request
from services.scheduler.choose import judge, miss
from services.scheduler.energy import watts_added
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.nearest import Refused
from services.scheduler.engine.table import HostTable, Ints
from services.scheduler.policy import Policy
from services.scheduler.relax import relaxations


def explained(compact: Compact, table: HostTable, refused: Ints) -> Decision:
    """The decision in full; `refused` has the bits of the filters that refuse each row."""
    request, plan, policy = compact.request, compact.plan, compact.plan.policy
    far = Refused(table, plan, request, refused)
    watts = watts_added(request, table.view(compact.row), policy.capacity) if compact.host else None
    nearest = [judge(request, table.view(row), policy) for row in far.nearest(policy.top)]
    return Decision(
        request,
        policy.name,
        policy.sha256,
        compact.generation,
        compact.host,
        candidates=compact.candidates,
        filters=compact.filters,
        misses=tuple(miss(verdict) for verdict in nearest),
        relaxations=() if compact.host else _ways(request, policy, [table.view(row) for row in far.cheapest()]),
        watts=None if watts is None else round(watts, 3),
    )


def _ways(request: Request, policy: Policy, hosts: list[HostView]) -> tuple[Relaxation, ...]:
    def takes(changed: Request, host: HostView) -> bool:
        return not judge(changed, host, policy).refusals

    refused = [(host, judge(request, host, policy).refusals.values()) for host in hosts]
    return relaxations(request, refused, takes, policy.on_no_host.suggest)
