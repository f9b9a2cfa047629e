# SPDX-License-Identifier: Apache-2.0
"""A process that is told to end does so, at whatever moment it is told."""

import signal
import subprocess
import sys

PROGRAM = """
import threading
from services.common.runtime.ending import ending
event = ending()
with event._cond:  # where a signal finds the main thread about to wait
    print("in", flush=True)
    import time
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
event.wait()
"""


def test_a_signal_while_the_main_thread_holds_the_events_lock_ends_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.stdout.close()
