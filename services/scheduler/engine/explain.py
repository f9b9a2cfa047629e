# SPDX-License-Identifier: Apache-2.0
"""The whole explanation of a decision: what choose() says, from columns."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain, islice

from services.common.contracts.placement import Decision, HostView, Relaxation, Request
from services.scheduler.choose import judge, miss
from services.scheduler.energy import watts_added
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.table import HostTable
from services.scheduler.filters.group import GroupFilter
from services.scheduler.filters.headroom import HeadroomFilter
from services.scheduler.groups import standing_at
from services.scheduler.policy import Policy
from services.scheduler.relax import relaxations
from services.scheduler.rule import Filter, Refusal


def explained(compact: Compact, table: HostTable, near: Sequence[int], cheap: Sequence[Sequence[int]]) -> Decision:
    """The decision in full; `near` and `cheap` are the rows that `far_plain` finds."""
    request, policy = compact.request, _among(compact.plan.policy, compact.request, table, [*near, *chain(*cheap)])
    watts = watts_added(request, table.view(compact.row), policy.capacity) if compact.host else None
    nearest = [judge(request, table.view(row), policy) for row in near]
    return Decision(
        request,
        policy.name,
        policy.sha256,
        compact.generation,
        compact.host,
        candidates=compact.candidates,
        filters=compact.filters,
        misses=tuple(miss(verdict) for verdict in nearest),
        relaxations=() if compact.host else _ways(request, policy, table, cheap),
        watts=None if watts is None else round(watts, 3),
    )


def _among(policy: Policy, request: Request, table: HostTable, rows: Sequence[int]) -> Policy:
    """The policy with rules that know, of these rows, what `Policy.among` would tell them of all hosts."""

    def seeing(rule: Filter) -> Filter:
        if isinstance(rule, GroupFilter):
            return replace(rule, standing=standing_at(rule.group, request, table, rows))
        return rule.among_rows(request, table) if isinstance(rule, HeadroomFilter) else rule

    if not any(f.fleet for f in policy.filters):
        return policy
    return replace(policy, filters=tuple(seeing(rule) for rule in policy.filters))


def _ways(request: Request, policy: Policy, table: HostTable, cheap: Sequence[Sequence[int]]) -> tuple[Relaxation, ...]:
    """Of the rows that change the same fields, the first that then takes the vm; words are made for few."""

    def takes(changed: Request, host: HostView) -> bool:
        return not judge(changed, host, _among(policy, changed, table, [table.row(host.id)])).refusals

    helped: list[tuple[HostView, Collection[Refusal]]] = []
    for rows in cheap:
        judged = ((v.host, v.refusals.values()) for v in (judge(request, table.view(row), policy) for row in rows))
        suggest = policy.on_no_host.suggest
        helped += islice((one for one in judged if relaxations(request, [one], takes, suggest)), 1)
    return relaxations(request, helped)
