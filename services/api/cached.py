# SPDX-License-Identifier: Apache-2.0
"""Rows that hardly change (flavors, networks), kept for a moment; a miss always looks again."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
KEEP_S = 2.0


class Cached:
    """Values by key, each at most KEEP_S old. Thread-safe; two threads may load the same value."""

    def __init__(self, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic):
        self._keep_s = keep_s
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, Any]] = {}

    def get(self, key: str, load: Callable[[], T], fresh: bool = False) -> T:
        """The value of `key`; `fresh` loads it anew."""
        now = self._clock()
        found = self._values.get(key)
        if found and not fresh and now - found[0] < self._keep_s:
            value: T = found[1]
            return value
        value = load()
        with self._lock:
            self._values[key] = (now, value)
        return value
