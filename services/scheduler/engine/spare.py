# SPDX-License-Identifier: Apache-2.0
"""The filter `headroom` on all rows, in compiled code: what is left after a loss is added up in one pass."""

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.formulas import Hosts, fits
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.lasting import Lasting
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import USED, Bools, HostTable, Ints
from services.scheduler.filters.headroom import HeadroomFilter

Pooled = tuple[Bools, Ints, Bools, Ints]  # which rows count; HostTable.driver and present; bits to set


class Spare:
    """For one policy; what only hosts' sizes and states decide is kept until they change."""

    def __init__(self, table: HostTable, plan: Plan, columns: Columns):
        self.plan = plan
        self._table, self._columns = table, columns
        self._alive: Bools = np.zeros(len(table.present), np.bool_)
        self._kept: Ints = np.zeros((1, 3), np.int64)
        self._of: tuple[Lasting, int] | None = None

    def refuse(self, ruled: tuple[HeadroomFilter, int], request: Request, lasting: Lasting, bits: Ints) -> None:
        """Set the rule's bit of every row that it refuses."""
        rule, bit = ruled
        self._columns.fresh()
        if self._of != (lasting, lasting.version):
            self._look(rule, lasting)
            self._of = lasting, lasting.version
        columns, table = self._columns, self._table
        pools = self._kept.copy(), np.zeros(len(self._kept), np.int64)
        hosts = table.numbers, columns.limits, columns.watts, columns.none
        rows = self._alive, table.driver, table.present, bits
        bar(self.plan.asked(request), (rule.hosts, 1 << bit), hosts, rows, pools)

    def _look(self, rule: HeadroomFilter, lasting: Lasting) -> None:
        """Which rows count, and the limits of each driver's hosts without the largest."""
        table, limits = self._table, self._columns.limits
        state = 1 << self.plan.policy.filters.index(rule.state)
        self._alive = table.present & (lasting.bits & state == 0)
        self._kept = np.zeros((int(table.driver.max()) + 1, 3), np.int64)
        for driver in np.unique(table.driver[self._alive]):
            each = limits[self._alive & (table.driver == driver), :3]
            self._kept[driver] = np.sort(each, axis=0)[: -rule.hosts].sum(axis=0)


@compiled
def bar(asked: Ints, rule: tuple[int, int], hosts: Hosts, rows: Pooled, pools: tuple[Ints, Ints]) -> None:
    """Set the rule's bit; `rule`: how many hosts may be lost, and the bit.

    `pools`: by driver, the limits that are kept, from which what is used is taken, and room for a count.
    """
    lost, own = rule
    alive, driver, present, bits = rows
    left, roomy = pools
    for row in range(len(bits)):
        if alive[row]:
            for n in range(3):
                left[driver[row], n] -= hosts[0][row, USED + n]
            roomy[driver[row]] += fits(row, asked, hosts)
    for row in range(len(bits)):
        if not present[row]:
            continue
        pool = driver[row]
        others = roomy[pool] - (1 if alive[row] and fits(row, asked, hosts) else 0)
        enough = asked[0] <= left[pool, 0] and asked[1] <= left[pool, 1] and asked[2] <= left[pool, 2]
        if not enough or others < lost:
            bits[row] |= own
