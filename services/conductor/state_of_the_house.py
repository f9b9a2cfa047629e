# SPDX-License-Identifier: Apache-2.0
"""What a conductor says when Prometheus asks: which of the parts it needs are there, and how old the keys are.

Asked anew each time, by every conductor: a gauge set by a thread that needs the database would say nothing of a
database that is away.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.common.runtime.keys import COMMAND_FILE, JWT_FILE, SEAL_FILE

Question = Callable[[], bool]


class StateOfTheHouse(Collector):
    """Two gauges; `questions` by the part that each is about."""

    def __init__(self, questions: Mapping[str, Question], keys_dir: Path):
        self._questions = questions
        self._keys_dir = keys_dir

    def describe(self) -> Iterable[Metric]:
        """Names alone: nothing is asked when a process starts."""
        return [_parts(), _keys()]

    def collect(self) -> Iterable[Metric]:
        """What is there right now."""
        parts, keys = _parts(), _keys()
        for part, answers in self._questions.items():
            parts.add_metric([part], float(answers()))
        for name in (JWT_FILE, COMMAND_FILE, SEAL_FILE):
            file = self._keys_dir / name
            if file.exists():
                keys.add_metric([name], max(0.0, time.time() - file.stat().st_mtime))
        return [parts, keys]


def _parts() -> GaugeMetricFamily:
    return GaugeMetricFamily("innkeeper_part_up", "1: the part that a conductor needs answers it", labels=["part"])


def _keys() -> GaugeMetricFamily:
    return GaugeMetricFamily("innkeeper_key_age_seconds", "Time since a file of keys was last changed", labels=["file"])
