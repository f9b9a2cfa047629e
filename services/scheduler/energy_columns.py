# SPDX-License-Identifier: Apache-2.0
"""What many hosts draw at once: energy.py as operations on the columns of a table, equal to the last bit."""

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.capacity import Capacity
from services.scheduler.energy import CORRECTION, POINTS
from services.scheduler.engine.table import Floats, HostTable, Ints


def watts_at_each(curves: Floats, utilisations: Floats) -> Floats:
    """Watts of each row's curve at the row's utilisation of 0 to 1; NaN for a row without a curve."""
    position = np.minimum(1.0, np.maximum(0.0, utilisations)) * (POINTS - 1)
    left = np.minimum(position.astype(np.int64), POINTS - 2)
    rows = np.arange(len(curves))
    below = curves[rows, left]
    found: Floats = below + (curves[rows, left + 1] - below) * (position - left)
    return found


def curves_of(table: HostTable, rows: Ints) -> Floats:
    """The rows' power curves, scaled to the watts measured now; NaN in rows without one."""
    curves, measured = table.curve[rows], table.watts[rows]
    load = table.cpu_percent[rows]
    known = ~np.isnan(measured) & ~np.isnan(load)
    expected = watts_at_each(curves, np.where(known, load / 100, 0.0))
    use = known & (expected > 0) & (measured > 0)
    low, high = CORRECTION
    ratio = np.where(use, measured, 1.0) / np.where(use, expected, 1.0)
    factor = np.where(use, np.minimum(high, np.maximum(low, ratio)), 1.0)
    scaled: Floats = curves * factor[:, np.newaxis]
    return scaled


def watts_answered_for_each(request: Request, table: HostTable, rows: Ints, capacity: Capacity) -> Floats:
    """`watts_answered_for` of each of these rows; NaN where nothing is known of its power."""
    curves, limits = curves_of(table, rows), capacity.limits_of(table, rows)[0]
    limits = np.where(limits > 0, limits, 1)
    used = table.used_vcpus[rows]
    added = watts_at_each(curves, (used + request.vcpus) / limits) - watts_at_each(curves, used / limits)
    return _known(added / max(1, request.vcpus) + curves[:, 0] / limits, table, rows, capacity)


def watts_per_vcpu_each(table: HostTable, rows: Ints, capacity: Capacity) -> Floats:
    """`watts_per_vcpu` of each of these rows; NaN where nothing is known of its power."""
    limits = capacity.limits_of(table, rows)[0]
    full = curves_of(table, rows)[:, -1] / np.where(limits > 0, limits, 1)
    return _known(full, table, rows, capacity)


def _known(watts: Floats, table: HostTable, rows: Ints, capacity: Capacity) -> Floats:
    return np.where(capacity.limits_of(table, rows)[0] > 0, watts, np.nan)
