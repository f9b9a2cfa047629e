# SPDX-License-Identifier: Apache-2.0
"""What a policy makes of each host whatever is asked: its limits, and its power as measured."""

import numpy as np

from services.scheduler.capacity import Capacity
from services.scheduler.energy import POINTS, curve_of, watts_per_vcpu
from services.scheduler.engine.formulas import FULL, LOAD
from services.scheduler.engine.table import Floats, HostTable, Ints, Singles

_WIDTH = 16  # of a row of watts: two lines of the processor's cache


class Columns:
    """Kept up to date by `fresh`."""

    def __init__(self, table: HostTable, capacity: Capacity):
        room = len(table.present)
        self.limits: Ints = np.zeros((room, 4), np.int64)  # vcpus, memory, disk
        self.watts: Floats = np.full((room, _WIDTH), np.nan)  # the curve; watts per vcpu; CPU load in percent
        self.none: Ints = np.zeros((1, 1), np.int64)  # stands for terms where every weigher has a formula
        self.nothing: Singles = np.zeros(room, np.float32)  # and for their sum
        self._table = table
        self._capacity = capacity
        self._read = -1

    def fresh(self) -> None:
        """Look again at the hosts that were put into the table since the last time."""
        table = self._table
        if self._read == table.puts.count:
            return
        rows = table.puts.since(self._read) if self._read >= 0 else None
        self._read = table.puts.count
        self._look(np.arange(table.size) if rows is None else rows)

    def _look(self, rows: Ints) -> None:
        table = self._table
        self.limits[rows, :3] = np.stack(self._capacity.limits_of(table, rows), axis=1)
        self.watts[rows, LOAD] = table.cpu_percent[rows]
        for row in rows[table.present[rows]].tolist():
            host = table.view(row)
            curve, full = curve_of(host), watts_per_vcpu(host, self._capacity)
            self.watts[row, :POINTS] = np.nan if curve is None else curve
            self.watts[row, FULL] = np.nan if full is None else full
