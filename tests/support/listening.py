# SPDX-License-Identifier: Apache-2.0
"""Everything that passes through a stack's broker and Redis while somebody listens: each message, each command."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import redis
from kombu import Connection, Exchange, Queue

from tests.support.stack import Stack
from tests.support.waiting import until

_TRACE = Exchange("amq.rabbitmq.trace", type="topic", durable=True, internal=True)


class Heard:
    """What was heard so far, as bytes."""

    def __init__(self) -> None:
        self.broker: list[bytes] = []
        self.redis: list[bytes] = []


@contextmanager
def listening(stack: Stack) -> Iterator[Heard]:
    """Listen for the length of the block; what is under way at its end is heard, too."""
    heard = Heard()
    vhost = httpx.URL(stack.rabbit.admin_url).join("/api/vhosts/%2F")
    httpx.put(vhost, json={"tracing": True}, timeout=30).raise_for_status()
    with Connection(stack.rabbit.url) as connection, connection.channel() as channel:
        tap = Queue("canary", _TRACE, routing_key="#", durable=False, auto_delete=False)(channel)
        tap.declare()
        with _monitoring(stack, heard):
            yield heard
        # What is marked last is read last: then nothing is on its way any more.
        channel.basic_publish(channel.prepare_message(b"the end of listening"), exchange="", routing_key="nowhere")
        until(lambda: _drained(tap, heard), 30, "the end of what the broker was told", pause=0.05)
        tap.delete()
    httpx.put(vhost, json={"tracing": False}, timeout=30).raise_for_status()


def _drained(tap: Queue, heard: Heard) -> bool:
    while (message := tap.get(no_ack=True)) is not None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        heard.broker += [body, repr(message.headers).encode()]
        if body == b"the end of listening":
            return True
    return False


@contextmanager
def _monitoring(stack: Stack, heard: Heard) -> Iterator[None]:
    """Redis tells every command with its arguments, publications and passing keys included."""
    client = redis.Redis.from_url(stack.redis.url)
    last, begun = "the end of monitoring", threading.Event()

    def read() -> None:
        with client.monitor() as monitor:
            begun.set()
            for command in monitor.listen():
                heard.redis.append(str(command["command"]).encode())
                if last in str(command["command"]):
                    return

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10), "Redis can't be listened to"
    try:
        yield
    finally:
        redis.Redis.from_url(stack.redis.url).echo(last)
        thread.join(10)
        client.close()
