# SPDX-License-Identifier: Apache-2.0
"""Decides for a size that nobody asked for lately: all rows are bounded at once, few of them weighed."""

from dataclasses import dataclass

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.blocks import BITS, BLOCK, VMS, insert
from services.scheduler.engine.bounds import BUSY, FLAT, MOST, Bounding, Bounds, Small
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.formulas import Ask, Hosts, weigh
from services.scheduler.engine.jit import compiled
from services.scheduler.engine.lasting import Lasting
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import VMS as VMS_AT
from services.scheduler.engine.table import Bools, HostTable, Ints, Singles

NONE = -(1 << 31)  # the bound of a row that can't be chosen, or was weighed already
Known = tuple[Bounds, Singles, Bools, Ints, Singles]  # Bounding's bounds and weights, and all of Rows but terms
Desk = tuple[Small, Small]  # bounds in grains by row, and the highest of each block


@dataclass(frozen=True)
class Rows:
    """What is known of the rows beside their numbers."""

    open: Bools  # which may be chosen, if they have room
    barred: Ints  # the others, see barred_by
    given: Ints  # weighers x rows: the terms of those without a formula
    added: Singles  # the sum of these terms by row


class Scan:
    """For a policy with bounds."""

    def __init__(self, table: HostTable, plan: Plan, columns: Columns):
        room = len(table.present)
        self._table, self._plan, self._columns = table, plan, columns
        self._bounding = Bounding(table, plan, columns)
        self._desk: Desk = np.empty(room, np.int32), np.empty(room >> BITS, np.int32)

    def rows(self, lasting: Lasting) -> Rows:
        """Of a policy in which claims matter to nothing but what has code."""
        lasting.fresh()
        return Rows(lasting.open, lasting.barred, self._columns.none, self._columns.nothing)

    def note(self, request: Request, rows: Rows, kept: int) -> Ints | None:
        """As a shape's; None where so many rows are nearly equal that a scan isn't worth while."""
        size = request.vcpus - 1, request.memory_mib, request.disk_gib
        if min(size) < 0 or max(size) >= MOST - 1:
            return None
        ask, columns = (self._plan.asked(request), self._plan.numbers), self._columns
        columns.fresh()
        self._table.ranks()
        self._bounding.fresh(ask)
        note: Ints = np.zeros(self._plan.length(kept), np.int64)
        work: Ints = np.empty(kept + len(self._plan.terms), np.int64)
        known = self._bounding.bounds, self._bounding.weights, rows.open, rows.barred, rows.added
        hosts = self._table.numbers, columns.limits, columns.watts, rows.given
        return note if scan((note, work), (kept, self._table.size), ask, hosts, known, self._desk) else None


@compiled
def scan(
    paper: tuple[Ints, Ints],
    span: tuple[int, int],
    ask: Ask,
    hosts: Hosts,
    known: Known,
    desk: Desk,
) -> bool:
    """Write the note, as loops.decide does; false where it isn't worth while.

    `paper`: the note, all zero, and room to work; `span`: how many hosts are wanted, and how many rows there are.
    """
    note, work = paper
    kept, size = span
    bounds, _, _, barred, _ = known
    weighers = len(ask[1])
    full = screen(ask[0], known, desk)
    at = 1 + kept
    counts = note[at + kept * weighers :]
    filters = len(counts) // 2
    tell(ask[0], bounds[1], barred, (counts[:filters], counts[filters:]))
    counts[ask[0][3]] += full
    counts[filters + ask[0][3]] += full
    note[0] = select(size // 8 + BLOCK, ask, hosts, (note[1:at], work), desk)
    for n in range(note[0]):
        weigh(note[1 + n], ask, hosts, note[at + n * weighers : at + (n + 1) * weighers])
    return bool(note[0] >= 0)


@compiled
def screen(asked: Ints, known: Known, desk: Desk) -> int:
    """Bound all rows; how many are refused for want of room alone."""
    (singles, room), weights, free, _, added = known
    cpu, memory, disk = np.int32(asked[0]), np.int32(asked[1]), np.int32(asked[2])
    more_cpu, more_memory, more_disk = np.float32(cpu), np.float32(memory), np.float32(disk)
    one, none, full = np.float32(1.0), np.int32(NONE), 0
    bound, best = desk
    for row in range(len(bound)):
        fits = (cpu <= room[0, row]) & (memory <= room[1, row]) & (disk <= room[2, row])
        c = min(one, singles[0, row] + more_cpu * singles[3, row])
        m = min(one, singles[1, row] + more_memory * singles[4, row])
        d = min(one, singles[2, row] + more_disk * singles[5, row])
        most = weights[4] + added[row] + singles[FLAT, row] + weights[0] * c + weights[1] * m + weights[2] * d
        most += weights[3] * abs(c - m) - singles[BUSY, row] * c
        bound[row] = np.int32(most) if fits & free[row] else none
        full += free[row] & ~fits
    for block in range(len(best)):
        highest = none
        for row in range(block << BITS, (block + 1) << BITS):
            highest = max(highest, bound[row])
        best[block] = highest
    return full


@compiled
def tell(asked: Ints, room: Small, barred: Ints, counts: tuple[Ints, Ints]) -> None:
    """Count the rows that lasting filters refuse."""
    own = asked[3]
    for n in range(len(barred)):
        row, first, alone = barred[n]
        fits = asked[0] <= room[0, row] and asked[1] <= room[1, row] and asked[2] <= room[2, row]
        if fits:
            counts[0][first] += 1
            counts[1][first] += alone
        else:
            counts[0][min(first, own)] += 1


@compiled
def select(most: int, ask: Ask, hosts: Hosts, best: tuple[Ints, Ints], desk: Desk) -> int:
    """Fill `best` (rows, and room to work) with the best rows; how many there are.

    Highest bound first, until no bound is left that reaches the last of the best; -1 where more than `most` do.
    """
    bound, highest = desk
    rows, work = best
    keys, terms = work[: len(rows)], work[len(rows) :]
    wanted, found, weighed = len(rows), 0, 0
    while weighed <= most:
        block = np.argmax(highest)
        floor = max(highest[block], NONE + 1) if found < wanted else keys[wanted - 1] // VMS
        if highest[block] < floor or highest[block] == NONE:
            return found
        rest = NONE
        for row in range(block << BITS, (block + 1) << BITS):
            if bound[row] < floor:
                rest = max(rest, bound[row])
                continue
            bound[row] = NONE
            weighed += 1
            key = weigh(row, ask, hosts, terms) * VMS - ask[0][4] * hosts[0][row, VMS_AT]
            found = insert(row, key, found, (rows, keys), hosts[0])
        highest[block] = rest
    return -1
