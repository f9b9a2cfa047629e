# SPDX-License-Identifier: Apache-2.0
"""Failpoints inside this process: which ones something passes, and how to end it at one of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from services.common.runtime import failpoints


class Killed(BaseException):
    """In place of SIGKILL: nobody catches it, and nothing more is done."""


class _Recorder(dict[str, int]):
    """Has no point armed, and remembers which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.names.append(name)
        return default


def points_of(act: Callable[[], object]) -> list[str]:
    """The failpoints that `act` passes, each once."""
    recorder = _Recorder()
    with patch.object(failpoints, "_ARMED", recorder):
        act()
    return list(dict.fromkeys(recorder.names))


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Whoever passes this point within the block ends there, by Killed."""

    def kill(_pid: int, _signal: int) -> None:
        raise Killed(point)

    process = SimpleNamespace(environ={}, getpid=os.getpid, kill=kill)
    with (
        patch.object(failpoints, "_ARMED", {point: 1}),
        patch.object(failpoints, "_passages", {}),
        patch.object(failpoints, "os", process),
    ):
        yield
