# SPDX-License-Identifier: Apache-2.0
"""Named places where a test may end the process the hard way, to show that nothing is lost there.

INNKEEPER_FAILPOINT="engine.before-commit:3" kills at the third passage. INNKEEPER_FAILPOINT_LOG names a file that
notes each armed point that was reached, so that a harness can fail on a point never hit.
"""

import os
import signal
import threading

_lock = threading.Lock()
_passages: dict[str, int] = {}


def _armed() -> tuple[str, int]:
    name, _, nth = os.environ.get("INNKEEPER_FAILPOINT", "").partition(":")
    return name, int(nth or 1)


_NAME, _NTH = _armed()


def _noted(note: str, name: str) -> bool:
    if not os.path.exists(note):
        return False
    with open(note, encoding="utf-8") as file:
        return name in file.read().split()


def hit(name: str) -> None:
    """Pass the point; where it is armed and the count is reached, the process ends by SIGKILL."""
    if name != _NAME:
        return
    with _lock:
        _passages[name] = _passages.get(name, 0) + 1
        if _passages[name] != _NTH:
            return
    note = os.environ.get("INNKEEPER_FAILPOINT_LOG")
    if note:
        if _noted(note, name):
            return  # a restarted process must not die at the same point for ever
        with open(note, "a", encoding="utf-8") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
    os.kill(os.getpid(), signal.SIGKILL)
