# SPDX-License-Identifier: Apache-2.0
"""Work in lanes: one thing at a time within a lane, in order; different lanes side by side."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger

log = get_logger(__name__)
Work = Callable[[], None]


class Lanes:
    """At most `width` lanes move at once. `put` never blocks."""

    def __init__(self, width: int) -> None:
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="lane")
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Work]] = {}  # a lane is here while it moves

    def put(self, lane: str, work: Work) -> None:
        """Do it when all that is before it in its lane is done."""
        with self._changed:
            queue = self._queues.get(lane)
            if queue is not None:
                queue.append(work)
                return
            self._queues[lane] = deque([work])
        self._pool.submit(self._move, lane)

    def waiting(self, lane: str) -> int:
        """How much waits in the lane behind what is being done."""
        with self._changed:
            return len(self._queues.get(lane, ()))

    def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do; False when the time is up. Afterwards nothing may be put."""
        with self._changed:
            empty = self._changed.wait_for(lambda: not self._queues, timeout_s)
        self._pool.shutdown(wait=empty, cancel_futures=True)
        return empty

    def _move(self, lane: str) -> None:
        while True:
            with self._changed:
                queue = self._queues[lane]
                if not queue:
                    del self._queues[lane]
                    self._changed.notify_all()
                    return
                work = queue.popleft()
            with going_on(log, "work in a lane broke off", lane=lane):
                work()
