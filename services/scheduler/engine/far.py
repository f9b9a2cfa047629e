# SPDX-License-Identifier: Apache-2.0
"""What far_plain works out, in one pass of compiled code: the rows that are worth telling of after a refusal."""

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.formulas import ABSENT, Hosts
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.nearest import HOPELESS, RESOURCE_BIT, far_plain, given_up
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import RANK, USED, Bools, Floats, HostTable, Ints
from services.scheduler.filters.capacity import LEAST, CapacityFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.relax import TRIES
from services.scheduler.rule import Filter

_SETS = 256  # sets of fields that are told apart
_LEAST = tuple(LEAST.values())
_WHOLE, _NEVER, _TRAITS, _DRIVER, _ROOM = range(5)  # what a filter's refusal takes: see _kind
Rules = tuple[Ints, Ints, Bools, Floats]  # what is asked; a kind each filter; hopeless rows of two kinds; traits' cost
Near = tuple[Ints, Ints, Floats]  # rows, refusals, and how much is short
# Of each set of fields to change: the fields, how many rows there are, the rows, and what is given up for each.
Cheap = tuple[Ints, Ints, Ints, Floats]


def far(
    request: Request, table: HostTable, plan: Plan, refused: Ints, hosts: Hosts
) -> tuple[list[int], list[list[int]]]:
    """The rows nearest to taking the vm, and for each set of fields the rows for which least is given up."""
    top = plan.policy.top
    near: Near = np.zeros(top, np.int64), np.zeros(top, np.int64), np.zeros(top)
    many = _SETS, TRIES
    cheap: Cheap = np.zeros(_SETS, np.int64), np.zeros(_SETS, np.int64), np.zeros(many, np.int64), np.zeros(many)
    found, sets = measure(refused[: table.size], _rules(request, table, plan), hosts, near, cheap)
    if sets > _SETS:
        return far_plain(request, table, plan, refused)
    return near[0][:found].tolist(), [cheap[2][n, : cheap[1][n]].tolist() for n in range(sets)]


def _rules(request: Request, table: HostTable, plan: Plan) -> Rules:
    lost, cost = np.zeros((2, table.size), np.bool_), np.zeros(table.size)
    kinds = [_kind(rule) for rule in plan.policy.filters]
    for kind, rule in zip(kinds, plan.policy.filters, strict=True):
        if kind in (_TRAITS, _DRIVER):
            lost[kind - _TRAITS], given = given_up(rule, request, table, np.arange(table.size))
            if kind == _TRAITS:
                cost[:] = given
    return plan.asked(request), np.array(kinds, np.int64), lost, cost


def _kind(rule: Filter) -> int:
    """Whether a wish is given up whole, nothing helps, it depends on the host, or room has to be made."""
    if isinstance(rule, HOPELESS):
        return _NEVER
    if isinstance(rule, TraitsFilter):
        return _TRAITS
    if isinstance(rule, HypervisorFilter) and rule.any_of:
        return _DRIVER
    return _ROOM if isinstance(rule, CapacityFilter) else _WHOLE


@compiled
def measure(refused: Ints, rules: Rules, hosts: Hosts, near: Near, cheap: Cheap) -> tuple[int, int]:
    """Fill `near` and `cheap`; how many rows there are in each. More sets than there is room for aren't kept."""
    found, sets = 0, 0
    for row in range(len(refused)):
        if refused[row] == 0 or refused[row] == ABSENT:
            continue
        order, short, cost, fields = weigh_refusals(row, refused[row], rules, hosts)
        if found < len(near[0]) or order <= near[1][found - 1]:
            found = keep_near((row, order, short), found, near, hosts[0])
        if order < 64 and sets <= len(cheap[0]):
            sets = keep_cheap((row, fields, cost), sets, cheap, hosts[0])
    return found, sets


@compiled
def weigh_refusals(row: int, bits: int, rules: Rules, hosts: Hosts) -> tuple[int, float, float, int]:
    """How many refusals, the hopeless ones 65 times; what is short; what a change gives up, and of which fields."""
    asked, kinds, lost, given = rules
    order, short, cost, fields = 0, 0.0, 0.0, 0
    for n in range(len(kinds)):
        if not (bits >> n) & 1:
            continue
        kind = kinds[n]
        order += 1
        if kind != _ROOM:
            fields |= 1 << n
            cost += given[row] if kind == _TRAITS else 1.0
            hopeless = kind == _NEVER or (kind != _WHOLE and lost[kind - _TRAITS, row])
        else:
            hopeless = False
            for r in range(3):
                left = hosts[1][row, r] - hosts[0][row, USED + r]
                left = left if r else min(left, hosts[0][row, 0])
                if asked[r] > left:
                    hopeless = hopeless or left < _LEAST[r]
                    short += (asked[r] - left) / max(1, asked[r])
                    cost += (asked[r] - left) / max(1, asked[r])
                    fields |= 1 << (RESOURCE_BIT + r)
        order += 64 if hopeless else 0
    return order, short, cost, fields


@compiled
def keep_near(one: tuple[int, int, float], found: int, near: Near, numbers: Ints) -> int:
    """Put a row in its place among the nearest, if it has one there; how many there are then."""
    row, order, short = one
    rows, orders, shorts = near
    at = found
    while at > 0:
        o, s, other = orders[at - 1], shorts[at - 1], rows[at - 1]
        if order > o or (order == o and (short > s or (short == s and numbers[row, RANK] > numbers[other, RANK]))):
            break
        at -= 1
    if at == len(rows):
        return found
    last = min(found, len(rows) - 1)
    for n in range(last, at, -1):
        rows[n], orders[n], shorts[n] = rows[n - 1], orders[n - 1], shorts[n - 1]
    rows[at], orders[at], shorts[at] = row, order, short
    return last + 1


@compiled
def keep_cheap(one: tuple[int, int, float], sets: int, cheap: Cheap, numbers: Ints) -> int:
    """Keep a row if it is among the cheapest that change the same fields; how many sets of fields there are then."""
    row, fields, cost = one
    masks, counts, rows, costs = cheap
    n = 0
    while n < sets and masks[n] != fields:
        n += 1
    if n == sets:
        if sets == len(masks):
            return sets + 1
        masks[n], counts[n], sets = fields, 0, sets + 1
    at = counts[n]
    while at > 0 and (
        cost < costs[n, at - 1] or (cost == costs[n, at - 1] and numbers[row, RANK] < numbers[rows[n, at - 1], RANK])
    ):
        at -= 1
    last = min(counts[n], rows.shape[1] - 1)
    if at <= last:
        for k in range(last, at, -1):
            rows[n, k], costs[n, k] = rows[n, k - 1], costs[n, k - 1]
        rows[n, at], costs[n, at], counts[n] = row, cost, last + 1
    return sets
