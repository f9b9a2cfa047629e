# SPDX-License-Identifier: Apache-2.0
"""How figures are computed and printed."""

import json
import math
import mmap
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1)]


def median_ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """Ratio of medians."""
    return statistics.median(ours) / statistics.median(floor)


def settle(mib: int) -> None:
    """Let what is measured next find a quiet disk and memory at hand; before each of two that are compared.

    A virtual machine gives freed memory back to its host, and to get it again costs up to five times what it costs to
    write to it. So `mib` of it are used and freed a moment before.
    """
    os.sync()
    used = bytearray(mib << 20)
    for at in range(0, len(used), mmap.PAGESIZE):
        used[at] = 1


def show(figures: Mapping[str, float | None], as_json: bool, notes: Mapping[str, Any] | None = None) -> None:
    """Print the one object, or a table for people. None: it couldn't be measured, and the notes say why."""
    rounded = {key: None if value is None else round(value, 4) for key, value in figures.items()}
    if as_json:
        where = {"machine": f"{os.cpu_count()} x {platform.machine()}", "date": time.strftime("%Y-%m-%d")}
        click.echo(json.dumps({"figures": rounded, "where": where, "notes": dict(notes or {})}))
        return
    for key, value in rounded.items():
        click.echo(f"{key:20} {'-' if value is None else value:>12}")
    for key, note in (notes or {}).items():
        click.echo(f"  {key}: {note}")
