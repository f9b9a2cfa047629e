# SPDX-License-Identifier: Apache-2.0
"""At most how much each row is worth, for any size that is asked, in numbers so small that all rows are seen at once.

A bound is a sum of what doesn't depend on the size (watts are taken for the fewest the host's curve admits) and of
shares times a weight. It is rounded up: who is below it is never a row that is worth as much.
"""

from math import isnan

import numpy as np
from numpy.typing import NDArray

from services.scheduler.engine.changes import KEPT
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.formulas import (
    BALANCE,
    CODES,
    CPU,
    ENERGY,
    FULL,
    GRAIN,
    LOAD,
    PACK,
    SPREAD,
    Ask,
    Hosts,
    frugality,
    idle,
)
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.loops import Span
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import USED, VMS, Floats, HostTable, Singles

Small = NDArray[np.int32]
# By row: how full each of three resources is, and what one more of it fills; what is worth the same for any size;
# what the share of vcpus takes away. And what is free of each resource.
Bounds = tuple[Singles, Small]
FLAT, BUSY = 6, 7
MOST = 2**31 - 1  # of anything that can be asked for
WILD = float(1 << 30)  # the bound of a row whose numbers are beyond it: it is always looked at
_SUM = float(1 << 29)  # of all multipliers in grains, at most


class Bounding:
    """The bounds of a policy's rows, kept up to date by `fresh`; only where `bounded` says so."""

    def __init__(self, table: HostTable, plan: Plan, columns: Columns):
        room = len(table.present)
        self.bounds: Bounds = np.zeros((8, room), np.float32), np.full((3, room), -1, np.int32)
        self.weights = weights_of(plan)
        self._table, self._plan = table, plan
        self._hosts = table.numbers, columns.limits, columns.watts, columns.none
        self._read = -1

    def fresh(self, ask: Ask) -> None:
        """Work out anew the rows that changed; the policy's columns must be fresh."""
        log, size = self._table.log, self._table.size
        if self._read < 0 or log.count - self._read > min(size, KEPT):
            bound((np.arange(size), 0, size), ask, self._hosts, self.bounds)
        elif self._read != log.count:
            bound((log.ring, self._read, log.count), ask, self._hosts, self.bounds)
        self._read = log.count


def bounded(plan: Plan) -> bool:
    """Whether bounds can be told for the policy."""
    return plan.scans and plan.capacity_bit >= 0 and float(np.abs(plan.numbers[:, 0]).sum()) * GRAIN < _SUM


def weights_of(plan: Plan) -> Singles:
    """In grains, what counts the share of each resource, and the imbalance of two; and what every bound begins with."""
    weights = np.zeros(5)
    for code, (multiplier, *p) in zip(plan.codes, plan.numbers.tolist(), strict=True):
        if code in (PACK, SPREAD):
            sign = 1 if code == PACK else -1
            weights[:3] += [sign * multiplier * part / p[3] for part in p[:3]]
        elif code == BALANCE:
            weights[3] -= multiplier
        weights[4] += multiplier if code in (SPREAD, BALANCE) else 0.0
    # Each term may be rounded up by half a grain; single precision is off by some millionths of what is added up.
    weights[4] += (len(plan.codes) + 2) / GRAIN + 4e-6 * float(np.abs(plan.numbers[:, 0]).sum())
    return (weights * GRAIN).astype(np.float32)


@compiled
def bound(span: Span, ask: Ask, hosts: Hosts, bounds: Bounds) -> None:
    """Work out the bounds of the rows in a span of a ring."""
    ring, first, last = span
    numbers, limits, _, _ = hosts
    singles, free = bounds
    for position in range(first, last):
        row = ring[position % len(ring)]
        tame = True
        for n in range(3):
            limit, used = limits[row, n], numbers[row, USED + n]
            tame = tame and used >= 0
            left = limit - used if n else min(limit - used, numbers[row, 0])
            free[n, row] = max(-1, min(MOST, left))
            singles[n, row] = used / limit if limit > 0 else 1.0
            singles[3 + n, row] = 1.0 / limit if limit > 0 else 0.0
        flat, busy = unvarying(row, ask, hosts)
        singles[FLAT, row], singles[BUSY, row] = flat * GRAIN, busy * GRAIN
        if not tame or isnan(flat):
            singles[:, row] = 0.0
            singles[FLAT, row] = WILD


@compiled
def unvarying(row: int, ask: Ask, hosts: Hosts) -> tuple[float, float]:
    """At most what the row is worth by watts and by its load, and what the share of its vcpus counts against that."""
    asked, p = ask
    numbers, limits, watts, _ = hosts
    flat, busy = 0.0, 0.0
    for w in range(len(p)):
        code = asked[CODES + w]
        if code == ENERGY and numbers[row, VMS] == 0:
            flat += p[w, 0] * frugality(watts[row, FULL] * p[w, 2], p[w, 1])
        elif code == ENERGY:
            flat += 0.5 * p[w, 0]
            if limits[row, 0] > 0 and not isnan(watts[row, 0]) and p[w, 0] > 0:
                least = fewest(watts, row, limits[row, 0])
                flat += np.nan if isnan(least) else p[w, 0] * frugality(least, p[w, 1])
        elif code == CPU:
            flat += p[w, 0] * idle(watts[row, LOAD], 0.0)
            busy += p[w, 0] if isnan(watts[row, LOAD]) else 0.0
    return flat, busy


@compiled
def fewest(watts: Floats, row: int, limit: int) -> float:
    """The fewest watts per vcpu that a vm answers for there: its share of the idle ones, and the flattest slope."""
    least = np.inf
    for n in range(10):
        slope = watts[row, n + 1] - watts[row, n]
        if isnan(slope):
            return np.nan
        least = min(least, slope)
    found: float = (watts[row, 0] + 10 * least) / limit
    return found
