# SPDX-License-Identifier: Apache-2.0
"""Something that is done now and then, from a thread of its own."""

import threading
from collections.abc import Callable

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger

log = get_logger(__name__)


class Rounds:
    """Calls `once` every `every_s` seconds; what a round raises is told as `trouble`, and the next one comes."""

    def __init__(self, once: Callable[[], None], every_s: float, trouble: str):
        self._once, self._every_s, self._trouble = once, every_s, trouble
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=once.__qualname__, daemon=True)

    def start(self) -> "Rounds":
        """Begin; the first round comes after one interval."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the present round."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            with going_on(log, self._trouble):
                self._once()
