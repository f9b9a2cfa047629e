# SPDX-License-Identifier: Apache-2.0
"""Named places where a test may end the process the hard way, to show that nothing is lost there.

INNKEEPER_FAILPOINT="engine.before-commit:3" kills at the third passage; several points are set apart by blanks.
INNKEEPER_FAILPOINT_LOG names a file that notes each armed point that was reached, so that a restarted process doesn't
die there again, and a harness can fail on a point never hit.
"""

import os
import signal
import threading
from collections.abc import Mapping

_lock = threading.Lock()
_passages: dict[str, int] = {}


def _armed() -> Mapping[str, int]:
    words = (word.partition(":") for word in os.environ.get("INNKEEPER_FAILPOINT", "").split())
    return {name: int(nth or 1) for name, _, nth in words}


_ARMED = _armed()


def _noted(note: str, name: str) -> bool:
    if not os.path.exists(note):
        return False
    with open(note, encoding="utf-8") as file:
        return name in file.read().split()


def hit(name: str) -> None:
    """Pass the point; where it is armed and the count is reached, the process ends by SIGKILL."""
    nth = _ARMED.get(name)
    if nth is None:
        return
    with _lock:
        _passages[name] = _passages.get(name, 0) + 1
        if _passages[name] == nth and _first_time(name):
            # With the lock held: nobody notes another point that wasn't died at.
            os.kill(os.getpid(), signal.SIGKILL)


def _first_time(name: str) -> bool:
    """Whether nobody has died there yet, as far as is noted; from now on it is."""
    note = os.environ.get("INNKEEPER_FAILPOINT_LOG")
    if not note:
        return True
    if _noted(note, name):
        return False
    with open(note, "a", encoding="utf-8") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True
