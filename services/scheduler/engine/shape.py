# SPDX-License-Identifier: Apache-2.0
"""What every host says to requests of one shape, kept up to date from the table's log."""

from typing import Protocol

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine import loops
from services.scheduler.engine.blocks import BITS, NEVER, VMS, heads_of, top_plain
from services.scheduler.engine.changes import KEPT
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.formulas import ABSENT, GRAIN
from services.scheduler.engine.lasting import Lasting
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import Floats, HostTable, Ints

_KEPT = 16  # hosts that compiled code has room to note; more is given where more are asked for


class Shape(Protocol):
    """By row, the bits of the filters that refuse it, and what orders the others."""

    refused: Ints

    def note(self, kept: int) -> Ints:
        """Everything a compact decision tells: how many rows, the best of them, their terms, the filters' counts."""


class CompiledShape:
    """One call of machine code a decision."""

    def __init__(self, table: HostTable, plan: Plan, request: Request, lasting: Lasting, columns: Columns):
        room = len(table.present)
        self._table, self._plan, self._lasting, self._columns = table, plan, lasting, columns
        self._read = 0
        self.refused: Ints = np.empty(room, np.int64)
        key, heads = np.empty(room, np.int64), np.empty((room >> BITS, 2), np.int64)
        counts = np.zeros((2, len(plan.names)), np.int64)
        self._cells = self.refused, key, heads, counts, lasting.bits, _desk(plan, _KEPT)
        self._kept = _KEPT
        self._ask = plan.asked(request), plan.numbers
        self._hosts = table.numbers, columns.limits, columns.watts, columns.none
        self._build()

    def note(self, kept: int) -> Ints:
        table, plan = self._table, self._plan
        if kept > self._kept:
            self._cells, self._kept = (*self._cells[:5], _desk(plan, kept)), kept
        self._lasting.fresh()
        if self._puts != table.puts.count:
            self._fresh()
        stop = table.log.count
        if stop - self._read > min(table.size, KEPT):
            self._build()
        note: Ints = np.empty(plan.length(kept), np.int64)
        loops.decide(note, kept, (table.log.ring, self._read, stop), self._cells, self._ask, self._hosts)
        self._read = stop
        return note

    def _build(self) -> None:
        self._lasting.fresh()
        self._fresh()
        loops.build(self._table.size, self._cells, self._ask, self._hosts)
        self._read = self._table.log.count

    def _fresh(self) -> None:
        self._columns.fresh()
        self._table.ranks()
        self._puts = self._table.puts.count


class PlainShape:
    """Array operations on the rows that changed; with `lasting` None on all rows, each time."""

    def __init__(self, table: HostTable, plan: Plan, request: Request, lasting: Lasting | None):
        room = len(table.present)
        self._table, self._plan, self._request, self._lasting = table, plan, request, lasting
        self.refused: Ints = np.full(room, ABSENT, np.int64)
        self._key: Ints = np.full(room, NEVER, np.int64)
        self._heads: Ints = np.full(room >> BITS, -1, np.int64)
        self._read = -1
        self._scales: list[tuple[float, float]] = []  # least and greatest norm of each weigher, where that matters

    def note(self, kept: int) -> Ints:
        if self._lasting is not None:
            self._lasting.fresh()
        rows = self._stale()
        if len(rows):
            self._settle(rows)
        best = top_plain(kept, self._key, self._table.ranks(), self._heads)
        terms = [self._terms(best, n) for n in range(len(self._plan.terms))]
        note: Ints = np.zeros(1 + kept + kept * len(terms), np.int64)
        note[0] = len(best)
        note[1 : 1 + len(best)] = best
        if terms:
            note[1 + kept : 1 + kept + len(best) * len(terms)] = np.stack(terms, axis=1).ravel()
        return np.concatenate((note, self._counts()))

    def _stale(self) -> Ints:
        log, everything = self._table.log, np.arange(self._table.size)
        rows = log.since(self._read) if self._read >= 0 and self._lasting is not None else None
        self._read = log.count
        return everything if rows is None else rows

    def _settle(self, rows: Ints) -> None:
        there = rows[self._table.present[rows]]
        bits = np.zeros(len(there), np.int64) if self._lasting is None else self._lasting.bits[there]
        for bit, rule in self._plan.changing if self._lasting is not None else enumerate(self._plan.policy.filters):
            bits |= np.where(rule.passes(self._request, self._table, there), 0, 1 << bit)
        self.refused[rows], self._key[rows] = ABSENT, NEVER
        self.refused[there] = bits
        good = there[bits == 0]
        if self._plan.policy.normalise == "minmax":
            self._scales = [
                _scale(w.weigher.norms(self._request, self._table, good)) for w in self._plan.policy.weighers
            ]
        score = np.zeros(len(good), np.int64)
        for n in range(len(self._plan.terms)):
            score += self._terms(good, n)
        ties = self._table.vms[good] if "fewest_vms" in self._plan.policy.tie_break.order else 0
        self._key[good] = score * VMS - ties
        blocks = np.unique(rows >> BITS)
        self._heads[blocks] = heads_of(blocks, self._key, self._table.ranks())

    def _terms(self, rows: Ints, n: int) -> Ints:
        weighted = self._plan.policy.weighers[n]
        norms = weighted.weigher.norms(self._request, self._table, rows)
        if self._scales:
            low, high = self._scales[n]
            norms = (norms - low) / (high - low) if high > low else np.zeros(len(rows))
        grains: Ints = np.rint(weighted.multiplier * norms * GRAIN).astype(np.int64)
        return grains

    def _counts(self) -> Ints:
        refused = self.refused[: self._table.size]
        refused = refused[(refused != 0) & (refused != ABSENT)]
        first = refused & -refused
        alone = refused == first
        bits = [1 << n for n in range(len(self._plan.names))]
        return np.array([(first == b).sum() for b in bits] + [(alone & (first == b)).sum() for b in bits], np.int64)


def _desk(plan: Plan, kept: int) -> Ints:
    return np.empty(2 * kept + len(plan.terms), np.int64)


def _scale(norms: Floats) -> tuple[float, float]:
    return (float(norms.min()), float(norms.max())) if len(norms) else (0.0, 0.0)
