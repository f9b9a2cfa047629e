# SPDX-License-Identifier: Apache-2.0
"""How busy a host's processors were over a while: the load that it was above for a twentieth of the time."""

import time
from collections import deque
from collections.abc import Callable
from math import ceil

WINDOWS_S = (300.0, 3600.0)
_SHARE = 0.95
_ENOUGH = 0.5  # of a window must be known before anything is said of it


class Busyness:
    """Keeps the samples of the longest window. Not for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque()  # when, percent

    def note(self, percent: float) -> None:
        """One sample, now."""
        now = self._clock()
        self._samples.append((now, percent))
        while self._samples[0][0] < now - max(WINDOWS_S):
            self._samples.popleft()

    def p95(self, window_s: float) -> float | None:
        """The 95th percentile of the window, by the nearest rank; None where too little of it is known."""
        now = self._clock()
        mine = [(at, percent) for at, percent in self._samples if at >= now - window_s]
        if not mine or now - mine[0][0] < _ENOUGH * window_s:
            return None
        ordered = sorted(percent for _, percent in mine)
        return ordered[ceil(_SHARE * len(ordered)) - 1]
