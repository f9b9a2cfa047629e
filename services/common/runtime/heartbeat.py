# SPDX-License-Identifier: Apache-2.0
"""A sign of life for processes that serve no HTTP: a file that is touched as long as their threads get a turn.

Neither broker nor database is asked: a process that waits for them lives, and to kill it would help nobody.
"""

import threading
from pathlib import Path

EVERY_S = 5.0


def start(file: Path | None, every_s: float = EVERY_S) -> None:
    """Touch `file` at once (a wrong path is told at the start), then for ever, from a daemon thread; None: no file."""
    if file is None:
        return
    file.touch()
    threading.Thread(target=_beat, args=(file, every_s), name="heartbeat", daemon=True).start()


def _beat(file: Path, every_s: float) -> None:
    waiting = threading.Event()
    while not waiting.wait(every_s):
        file.touch()
