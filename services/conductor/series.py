# SPDX-License-Identifier: Apache-2.0
"""Gauges with labels that are set anew as a whole: what has gone is taken out, and not told for ever."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import Gauge


class Series:
    """Remembers what it told; nobody else sets these gauges."""

    def __init__(self) -> None:
        self._told: dict[Gauge, set[tuple[str, ...]]] = {}

    def set(self, gauge: Gauge, series: Mapping[Any, float]) -> None:
        """Tell these values, by their labels, and no others."""
        for labels, value in series.items():
            gauge.labels(*labels).set(value)
        for labels in self._told.get(gauge, set()) - series.keys():
            gauge.remove(*labels)
        self._told[gauge] = set(series)

    def forget(self) -> None:
        """Tell nothing more: another process does."""
        for gauge in self._told:
            self.set(gauge, {})
