# SPDX-License-Identifier: Apache-2.0
"""When a download is too slow to go on, and when trying again has been fruitless for too long."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.common.contracts.errors import TryAgain


@dataclass(frozen=True)
class Pace:
    """What is expected of a vendor's server."""

    silence_s: float = 30.0  # at most so long between two pieces
    window_s: float = 60.0
    window_bytes: int = 64 << 10  # at least so much in a window
    patience_s: float = 600.0  # how long tries may bring nothing


class Meter:
    """Watches one download's rate."""

    def __init__(self, pace: Pace, clock: Callable[[], float]):
        self._pace, self._clock = pace, clock
        self._since, self._came = clock(), 0

    def note(self, size: int) -> None:
        """So many bytes came; TryAgain when too few did in the window that ends now."""
        self._came += size
        took = self._clock() - self._since
        if took < self._pace.window_s:
            return
        if self._came < self._pace.window_bytes:
            raise TryAgain(f"the server is too slow: {self._came} bytes in {took:.0f} s")
        self._since, self._came = self._clock(), 0


class Patience:
    """For how long the tries of each medium have brought nothing. Known to this process alone: a lower bound."""

    def __init__(self, pace: Pace):
        self._pace = pace
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def worn_out(self, media_id: str, gained: int, began: float, now: float) -> bool:
        """Note a try that began then and brought so many bytes; whether it is time to give up."""
        with self._lock:
            if gained >= self._pace.window_bytes:
                self._since.pop(media_id, None)
                return False
            return now - self._since.setdefault(media_id, began) >= self._pace.patience_s

    def forget(self, media_id: str) -> None:
        """It has come, or failed."""
        with self._lock:
            self._since.pop(media_id, None)
