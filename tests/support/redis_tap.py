# SPDX-License-Identifier: Apache-2.0
"""Everything that is said to a Redis while a block runs, for tests of what must never be said to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

_END = "that is all"


@contextmanager
def tapped(url: str) -> Iterator[list[str]]:
    """Every command with its arguments; complete once the block is left."""
    heard: list[str] = []
    with redis.Redis.from_url(url) as client, redis.Redis.from_url(url) as speaker, client.monitor() as tap:

        def listen() -> None:
            for said in tap.listen():
                heard.append(str(said["command"]))
                if _END in heard[-1]:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            speaker.echo(_END)
            thread.join()
