# SPDX-License-Identifier: Apache-2.0
"""How a worker ends: it takes nothing more, finishes what is in hand, and hands back what takes longer than its grace.

A job that is handed back is free at once: another worker need not wait for its lease to run out. What this one still
does of it is dropped, as after every lease that was lost, since the next claim raises the fence.
"""

import os
import threading
import time
from collections.abc import Callable

from celery.signals import worker_shutting_down

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger

log = get_logger(__name__)


class AskedToEnd:
    """Knows when the worker of this process was asked to end."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._at = 0.0
        worker_shutting_down.connect(self._hear, weak=False)

    def _hear(self, **_: object) -> None:
        # In a handler of a signal: nothing in the main thread ever waits for this event, so its lock is free soon.
        self._at = time.monotonic()
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self) -> None:
        """Return once it is asked."""
        self._event.wait()

    def left(self, grace_s: float) -> float:
        """How much of so many seconds is left since then."""
        return max(0.0, self._at + grace_s - time.monotonic())


class LastResort:
    """Ends the process at the end of its grace period, if `finished` was not called before."""

    def __init__(
        self,
        asked: AskedToEnd,
        grace_s: float,
        hand_back: Callable[[], list[str]],
        end: Callable[[int], object] = os._exit,
    ):
        self._asked, self._grace_s, self._hand_back, self._end = asked, grace_s, hand_back, end
        self._finished = threading.Event()
        threading.Thread(target=self._run, name="last-resort", daemon=True).start()

    def finished(self) -> None:
        """What was in hand is done."""
        self._finished.set()

    def _run(self) -> None:
        self._asked.wait()
        if self._finished.wait(self._asked.left(self._grace_s)):
            return
        # Threads at work can't be ended, and must not go on with what is another's now.
        with going_on(log, "steps were not handed back; their leases run out"):
            log.warning("steps were handed back", jobs=self._hand_back())
        self._end(0)
