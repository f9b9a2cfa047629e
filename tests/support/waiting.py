# SPDX-License-Identifier: Apache-2.0
"""Waiting on conditions, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# A wait that is met costs nothing, and how fast things are is a benchmark's to say: here only a defect may take this
# many times what an idle machine needs.
PATIENCE = 3


def until(condition: Callable[[], T], timeout: float = 30.0, what: str = "the condition", pause: float = 0.05) -> T:
    """The first true value of `condition`; fails with `what` and the last value.

    `timeout`: seconds, as for an idle machine; `PATIENCE` times as many pass before it fails.
    """
    end = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about in {timeout * PATIENCE} s; last seen: {value!r}")
        time.sleep(pause)
