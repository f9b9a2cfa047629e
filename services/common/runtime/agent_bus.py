# SPDX-License-Identifier: Apache-2.0
"""A host agent's door to the broker, with an agent's rights: read its own queue, write its own routing key."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from kombu import Connection, Consumer, Message, Producer

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent
from services.common.contracts.topics import AGENT_EXCHANGE, host_queue
from services.common.runtime.bus import BROKER_AWAY, commands_queue, encode
from services.common.runtime.log import get_logger

log = get_logger(__name__)
# Events kept while the broker is away. Beyond this the oldest are dropped: commands are sent again and
# inventory tells the state, so a lost event costs time, not truth. What guests said is told by nothing else: they are
# asked again whenever the broker was away, since one that was wiped meanwhile has lost what it had confirmed.
BUFFER = 5000


class AgentBus:
    """Reads signed commands and publishes events. `consume` blocks; `publish` may be called from any thread."""

    def __init__(self, broker_url: str, host_id: str):
        self._url = broker_url
        self._host = host_id
        self._stopping = threading.Event()
        self._events: queue.Queue[AgentEvent] = queue.Queue(BUFFER)
        self._unsent: AgentEvent | None = None
        self._sender = threading.Thread(target=self._send_all, name="events", daemon=True)
        self._sender.start()

    def consume(self, on_command: Callable[[str], None], on_return: Callable[[], None]) -> None:
        """Hand each token to `on_command` and acknowledge it; returns after `stop`.

        `on_return` is called whenever the broker is back after it was away.
        """
        begun = _nothing
        while not self._stopping.is_set():
            try:
                self._session(on_command, begun)
            except BROKER_AWAY as error:
                log.warning("the broker is away, or has no queue for this host yet", reason=str(error))
                begun = on_return
                self._stopping.wait(0.5)

    def _session(self, on_command: Callable[[str], None], begun: Callable[[], None]) -> None:
        def handle(message: Message) -> None:
            body = message.body
            on_command(body if isinstance(body, str) else bytes(body).decode("ascii", "replace"))
            message.ack()

        with Connection(self._url, heartbeat=10, connect_timeout=3) as connection, connection.channel() as channel:
            commands = commands_queue(self._host)
            commands.no_declare = True
            consumer = Consumer(channel, [commands(channel)], on_message=handle, prefetch_count=16, no_ack=False)
            beat = time.monotonic()
            with consumer:
                log.info("listening for commands", queue=host_queue(self._host))
                begun()
                while not self._stopping.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=0.5)
                    if time.monotonic() - beat > 3:
                        connection.heartbeat_check()
                        beat = time.monotonic()

    def publish(self, event: AgentEvent) -> None:
        """Have the event sent, with confirm, now or when the broker is back."""
        while True:
            try:
                self._events.put_nowait(event)
                return
            except queue.Full:
                dropped = self._events.get_nowait()
                log.warning("event dropped: the broker is away for too long", kind=dropped.kind, vm=dropped.vm)

    def _send_all(self) -> None:
        while not (self._stopping.is_set() and self._unsent is None and self._events.empty()):
            try:
                self._sending()
            except BROKER_AWAY as error:
                log.warning("events wait for the broker", reason=str(error), waiting=self._events.qsize())
                if self._stopping.wait(0.5):
                    return

    def _sending(self) -> None:
        options = {"confirm_publish": True}
        with Connection(self._url, heartbeat=0, connect_timeout=3, transport_options=options) as connection:
            producer = Producer(connection.channel(), auto_declare=False)
            while not (self._stopping.is_set() and self._events.empty() and self._unsent is None):
                if self._unsent is None:
                    try:
                        self._unsent = self._events.get(timeout=0.5)
                    except queue.Empty:
                        continue
                producer.publish(
                    encode(dump(self._unsent)),
                    exchange=AGENT_EXCHANGE,
                    routing_key=host_queue(self._host),
                    content_type="application/json",
                    content_encoding="utf-8",
                    delivery_mode=2,
                    retry=False,
                )
                # Only a confirmed event is forgotten: a broken connection sends it again, and readers bear a double.
                self._unsent = None

    def stop(self) -> None:
        """End `consume`; what is queued is sent first where the broker is there (at most 3 s)."""
        self._stopping.set()
        self._sender.join(timeout=3)


def _nothing() -> None:
    """At first nobody was away."""
