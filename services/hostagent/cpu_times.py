# SPDX-License-Identifier: Apache-2.0
"""From the CPU time each vm has spent since its start to the cores it kept busy since the last look."""

import time
from collections.abc import Callable, Mapping


class CpuTimes:
    """Remembers the last look. A vm seen for the first time, or started anew, is told from the next look on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._spent: Mapping[str, float] = {}

    def cores(self, spent_s: Mapping[str, float]) -> dict[str, float]:
        """Cores by vm, rounded to a thousandth."""
        now, before = self._clock(), self._spent
        passed = now - self._at
        self._at, self._spent = now, dict(spent_s)
        if passed <= 0:
            return {}
        return {
            vm: round((seconds - before[vm]) / passed, 3)
            for vm, seconds in spent_s.items()
            if vm in before and seconds >= before[vm]
        }
