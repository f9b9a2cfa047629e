# SPDX-License-Identifier: Apache-2.0
"""How simulated hosts sleep, wake and draw power: the same for every policy that is compared."""

from dataclasses import dataclass

import numpy as np

from services.scheduler.energy_columns import watts_at_each
from services.scheduler.engine.table import Bools, Floats, HostTable


@dataclass(frozen=True)
class Physics:
    """A host sleeps once it has been empty for a while; a vm placed there waits until it woke, if it does."""

    wake_s: float = 120.0
    wake_fails: float = 0.05  # the share of wakes after which the host has to be repaired
    repair_s: float = 3600.0
    sleep_after_s: float = 1200.0
    asleep_w: float = 0.0
    hot: float = 0.85  # of a host's processors
    seed: int = 1


def draw(table: HostTable, awake: Bools, busy: Floats, physics: Physics) -> Floats:
    """Watts of every row; `busy` is the share of its processors in use. 0 where the host's curve isn't known."""
    curves = np.nan_to_num(table.curve[: table.size])
    return np.where(awake, watts_at_each(curves, busy), physics.asleep_w)


def boot_kwh(table: HostTable, row: int, physics: Physics) -> float:
    """What one wake takes: full power until it is over, whether it succeeds or not."""
    return float(np.nan_to_num(table.curve[row, -1])) * physics.wake_s / 3.6e6
