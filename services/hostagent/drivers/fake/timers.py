# SPDX-License-Identifier: Apache-2.0
"""What a fake host does after a while."""

import threading
from collections.abc import Callable


class Timers:
    """Each a thread of its own; whoever is late when the host goes does nothing more."""

    def __init__(self) -> None:
        self._timers: set[threading.Timer] = set()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do it then; at once where that is now."""
        if seconds <= 0:
            what()
            return
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        self._timers = {t for t in self._timers if t.is_alive()} | {timer}
        timer.start()

    def close(self) -> None:
        """Nothing more is done."""
        for timer in list(self._timers):
            timer.cancel()
