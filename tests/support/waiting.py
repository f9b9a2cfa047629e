# SPDX-License-Identifier: Apache-2.0
"""Waiting on conditions, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float = 30.0, what: str = "the condition", pause: float = 0.05) -> T:
    """The first true value of `condition`; fails with `what` and the last value once `timeout` is over."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about in {timeout} s; last seen: {value!r}")
        time.sleep(pause)
