# SPDX-License-Identifier: Apache-2.0
"""Failpoints inside this process: which ones something passes, and how to end it at one of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

from services.common.runtime import failpoints


class Killed(BaseException):
    """In place of SIGKILL: nobody catches it, and nothing more is done."""


class _Recorder:
    """Compares like the name of an armed point, is none of them, and remembers them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __ne__(self, name: object) -> bool:
        self.names.append(str(name))
        return True

    __hash__ = object.__hash__


def points_of(act: Callable[[], object]) -> list[str]:
    """The failpoints that `act` passes, each once."""
    recorder = _Recorder()
    with patch.object(failpoints, "_NAME", recorder):
        act()
    return list(dict.fromkeys(recorder.names))


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """Whoever passes this point within the block ends there, by Killed."""

    def kill(_pid: int, _signal: int) -> None:
        raise Killed(point)

    process = SimpleNamespace(environ={}, getpid=os.getpid, kill=kill)
    with (
        patch.object(failpoints, "_NAME", point),
        patch.object(failpoints, "_NTH", 1),
        patch.object(failpoints, "_passages", {}),
        patch.object(failpoints, "os", process),
    ):
        yield
