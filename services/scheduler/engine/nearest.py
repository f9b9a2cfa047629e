# SPDX-License-Identifier: Apache-2.0
"""How far each refused row is from taking a vm, and what would have to change, for all rows at once.

The rows found here are then judged one by one, as the plain reference judges all: words are made for few.
"""

from collections.abc import Sequence

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import Bools, Floats, HostTable, Ints
from services.scheduler.filters.capacity import LEAST, CapacityFilter
from services.scheduler.filters.datastores import have_datastores
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.filters.group import GroupFilter
from services.scheduler.filters.headroom import HeadroomFilter
from services.scheduler.filters.hypervisor import HypervisorFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.named_host import NamedHostFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.filters.traits import TraitsFilter
from services.scheduler.filters.zone import ZoneFilter
from services.scheduler.relax import TRIES
from services.scheduler.rule import Filter

HOPELESS = StateFilter, LoadFilter, ExpressionFilter, GroupFilter  # no change of a request helps against these
Far = tuple[list[int], list[list[int]]]  # see far_plain
RESOURCE_BIT = 40  # of the first resource among the fields to change; below it are filters
_ROOM = CapacityFilter, HeadroomFilter  # against these a smaller vm helps
_KNOWN = (*HOPELESS, NamedHostFilter, ZoneFilter, HypervisorFilter, TraitsFilter, *_ROOM)
_ANY = np.iinfo(np.int64).max


def knows(plan: Plan) -> bool:
    """Whether the way from a refusal to what would help is known for every filter of the policy."""
    return all(type(f) in _KNOWN for f in plan.policy.filters)


def far_plain(request: Request, table: HostTable, plan: Plan, refused: Ints) -> Far:
    """The rows nearest to taking the vm, and for each set of fields the rows for which least is given up.

    `refused` has the bits of the filters that refuse each row.
    """
    found = Refused(table, plan, request, refused)
    return found.nearest(plan.policy.top), found.cheapest()


class Refused:
    """The refused rows of a table: how many refusals each has, how many of them hopeless, and what is given up."""

    def __init__(self, table: HostTable, plan: Plan, request: Request, refused: Ints):
        self.rows: Ints = np.flatnonzero(table.present[: table.size] & (refused[: table.size] != 0))
        self._table, self._plan, self._request = table, plan, request
        bits = refused[self.rows]
        self.refusals: Ints = np.zeros(len(self.rows), np.int64)
        self.hopeless: Ints = np.zeros(len(self.rows), np.int64)
        self.short: Floats = np.zeros(len(self.rows))
        self.cost: Floats = np.zeros(len(self.rows))
        self.fields: Ints = np.zeros(len(self.rows), np.int64)  # bits of the fields of the request to change
        self._fits: Ints = np.full((len(LEAST), len(self.rows)), _ANY)  # of each resource, what every rule would take
        self._paid: Bools = np.zeros((len(LEAST), len(self.rows)), np.bool_)  # counted among the cost
        refusing = [(n, rule, np.flatnonzero(bits & (1 << n))) for n, rule in enumerate(plan.policy.filters)]
        rooms = {n: self._room(rule, at) for n, rule, at in refusing if isinstance(rule, _ROOM)}
        for n, rule, at in refusing:
            self.refusals[at] += 1
            if n in rooms:
                self._lack(rooms[n], at, isinstance(rule, CapacityFilter))
            elif len(at):
                self._wish(rule, n, at)

    def nearest(self, count: int) -> list[int]:
        """The rows nearest to taking the vm; equally near ones by their hosts' ids."""
        order = self.hopeless * 64 + self.refusals
        ranks = self._table.ranks()[self.rows]
        return [int(row) for row in self.rows[least(count, (order, self.short, ranks))]]

    def cheapest(self) -> list[list[int]]:
        """For each set of fields whose change would help, the rows for which least is given up."""
        ranks, helped = self._table.ranks()[self.rows], self.hopeless == 0
        found: list[list[int]] = []
        for fields in np.unique(self.fields[helped]):
            at = np.flatnonzero(helped & (self.fields == fields))
            found.append(self.rows[at[least(TRIES, (self.cost[at], ranks[at]))]].tolist())
        return found

    def _room(self, rule: CapacityFilter | HeadroomFilter, at: Ints) -> list[Ints]:
        """How much of each resource the rule would take on rows that it refuses."""
        table, rows = self._table, self.rows[at]
        if isinstance(rule, HeadroomFilter):
            room = rule.left_of(self._request, table, rows)
        else:
            cpu, memory, disk = rule.capacity.limits_of(table, rows)
            room = [
                np.minimum(cpu - table.used_vcpus[rows], table.vcpus[rows]),
                memory - table.used_memory_mib[rows],
                disk - table.used_disk_gib[rows],
            ]
        for n, (field, free) in enumerate(zip(LEAST, room, strict=True)):
            lacks = getattr(self._request, field) > free
            self._fits[n, at] = np.minimum(self._fits[n, at], np.where(lacks, free, _ANY))
        return room

    def _lack(self, room: list[Ints], at: Ints, measured: bool) -> None:
        """Less of what is lacking would help, where that isn't too little; `measured` says whether it is a distance."""
        helps, lacking = np.ones(len(at), np.bool_), np.zeros(len(at), np.bool_)
        for n, (field, free) in enumerate(zip(LEAST, room, strict=True)):
            asked = getattr(self._request, field)
            lacks = asked > free
            lacking |= lacks
            helps &= ~lacks | (free >= LEAST[field])
            if measured:
                self.short[at] += np.where(lacks, (asked - free) / max(1, asked), 0.0)
            unpaid = lacks & ~self._paid[n, at]
            self.cost[at] += np.where(unpaid, (asked - self._fits[n, at]) / max(1, asked), 0.0)
            self._paid[n, at] |= lacks
            self.fields[at] |= np.where(lacks, 1 << (RESOURCE_BIT + n), 0)
        self.hopeless[at] += ~(helps & lacking)

    def _wish(self, rule: Filter, n: int, at: Ints) -> None:
        """One wish of another kind is given up whole; of traits some may stay."""
        hopeless, cost = given_up(rule, self._request, self._table, self.rows[at])
        self.hopeless[at] += hopeless
        self.cost[at] += cost
        self.fields[at] |= 1 << n


def given_up(rule: Filter, request: Request, table: HostTable, rows: Ints) -> tuple[Bools, Floats | float]:
    """For which of the rows that the rule refuses no change helps, and what share of the wish is given up."""
    none = np.zeros(len(rows), np.bool_)
    if isinstance(rule, HypervisorFilter) and rule.any_of:
        return ~np.isin(table.driver[rows], [table.code(word) for word in rule.any_of]), 1.0
    if isinstance(rule, TraitsFilter):
        for need in request.needs:
            none |= ~table.having("capabilities", need)[rows]
        if request.datastores:
            none |= ~have_datastores(request, table, rows)
        kept = sum(table.having("traits", trait)[rows].astype(np.int64) for trait in request.traits)
        return none, 1 - kept / max(1, len(request.traits))
    return np.full(len(rows), isinstance(rule, HOPELESS)), 1.0


def least(count: int, keys: Sequence[Ints | Floats]) -> Ints:
    """The places of the smallest `count` by the first key, then the second, and so on; in that order."""
    sure: list[Ints] = []
    open_ = np.arange(len(keys[0]))
    for key in keys:
        if count >= len(open_):
            break
        border = np.partition(key[open_], count - 1)[count - 1]
        below = open_[key[open_] < border]
        sure.append(below)
        open_, count = open_[key[open_] == border], count - len(below)
    places = np.concatenate([*sure, open_])
    ordered: Ints = places[np.lexsort([key[places] for key in reversed(keys)])]
    return ordered
