# SPDX-License-Identifier: Apache-2.0
"""Whether this API is ending: gunicorn's master says it to all its workers, by a byte they share.

From then on /readyz says no, streams end (their readers come back with the last id they saw, to another API), and who
waits for a job is told how far it is. Everything else is served as ever until the listening socket is closed.
"""

import mmap
import signal
from collections.abc import Callable
from typing import Any

# Made in the master, which imports this with its configuration; forked workers have the same page.
_SAID = mmap.mmap(-1, 1)


def begin() -> None:
    """From now on this API is ending."""
    _SAID[0] = 1


def begun() -> bool:
    """Whether it is."""
    return _SAID[0] == 1


def end_later(seconds: float, end: Callable[[int, Any], object]) -> None:
    """Have SIGTERM begin the draining, and `end` called so many seconds later; a second SIGTERM calls it at once."""

    def ended(_number: int, frame: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        end(signal.SIGTERM, frame)

    def asked(number: int, frame: Any) -> None:
        if begun() or not seconds:
            begin()
            ended(number, frame)
        else:
            begin()
            signal.setitimer(signal.ITIMER_REAL, seconds)

    signal.signal(signal.SIGALRM, ended)
    signal.signal(signal.SIGTERM, asked)
