# SPDX-License-Identifier: Apache-2.0
"""Which filters refuse which hosts whatever is claimed, for requests that wish alike."""

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine.formulas import ABSENT
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import Bools, HostTable, Ints

_SLACK_S = 0.001  # an age near its limit is asked once too often rather than too late


def barred_by(bits: Ints) -> Ints:
    """Of each row with a bit set its number, the filter that refuses first, and whether that one is alone."""
    rows = np.flatnonzero((bits != 0) & (bits != ABSENT))
    own = bits[rows]
    first = own & -own
    return np.stack((rows, np.log2(first).astype(np.int64), own == first), axis=1)


class Lasting:
    """Bits of refusals by row, kept up to date by `fresh`; what time alone changes is added to the table's log."""

    def __init__(self, table: HostTable, plan: Plan, request: Request):
        self.bits: Ints = np.full(len(table.present), ABSENT, np.int64)
        self.open: Bools = np.zeros(len(table.present), np.bool_)  # where no bit is set
        self.version = 0  # of the bits
        self._barred: Ints | None = None
        self._table = table
        self._plan = plan
        self._request = request
        self._now = table.now
        self._expires = 0.0
        self._read = table.puts.count
        self._ask(np.arange(table.size))
        self._set_expiry()

    def fresh(self) -> None:
        """Ask the filters about what was put into the table since the last time, and about heartbeats now too old."""
        table = self._table
        if self._plan.max_age_s and table.now != self._now:
            self._let_age()  # first: what is put now may move the next expiry past those that are due
        if self._read != table.puts.count:
            rows = table.puts.since(self._read)
            self._read = table.puts.count
            self._ask(np.arange(table.size) if rows is None else rows)
            self._set_expiry()

    @property
    def barred(self) -> Ints:
        """What `barred_by` says of the bits."""
        if self._barred is None:
            self._barred = barred_by(self.bits)
        return self._barred

    def _ask(self, rows: Ints) -> None:
        there = rows[self._table.present[rows]]
        refused = np.zeros(len(there), np.int64)
        for bit, rule in self._plan.lasting:
            refused |= np.where(rule.passes(self._request, self._table, there), 0, 1 << bit)
        self.bits[rows] = ABSENT
        self.bits[there] = refused
        self.open[rows], self._barred = self.bits[rows] == 0, None
        self.version += 1

    def _let_age(self) -> None:
        table, limit = self._table, self._table.now - self._plan.max_age_s + _SLACK_S
        backwards, self._now = table.now < self._now, table.now
        if backwards or table.now >= self._expires:
            old = np.arange(table.size) if backwards else np.flatnonzero(table.heartbeat_at[: table.size] <= limit)
            before = self.bits[old]
            self._ask(old)
            for row in old[self.bits[old] != before]:
                table.log.add(int(row))
            self._set_expiry()

    def _set_expiry(self) -> None:
        """When the next of the heartbeats that count gets too old; one that is just at its limit may count or not."""
        beats = self._table.heartbeat_at[: self._table.size]
        young = beats[beats > self._table.now - self._plan.max_age_s - _SLACK_S]
        self._expires = float(young.min()) + self._plan.max_age_s - _SLACK_S if len(young) else np.inf
