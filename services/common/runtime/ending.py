# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and SIGINT as an event that threads may wait for."""

import queue
import signal
import threading


def ending() -> threading.Event:
    """Set by the first SIGTERM or SIGINT. Only the main thread may call this."""
    event = threading.Event()
    # A handler runs between any two steps of the main thread, which may just hold the event's own lock to wait for it:
    # to set the event there would wait for ever. A SimpleQueue bears that (by Python's documentation put is reentrant).
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def hear() -> None:
        asked.get()
        event.set()

    threading.Thread(target=hear, name="ending", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.put(None))
    return event
