# SPDX-License-Identifier: Apache-2.0
"""The control plane's door to the broker: ring bells, send commands, keep the topology, hear the agents."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import amqp.exceptions
from kombu import Connection, Consumer, Exchange, Message, Queue
from kombu.exceptions import OperationalError

from services.common.contracts.flow import QUEUES
from services.common.contracts.topics import AGENT_EXCHANGE, AGENT_QUEUE, host_queue
from services.common.runtime.celery_app import QUORUM, job_queue, make_celery
from services.common.runtime.log import get_logger

log = get_logger(__name__)
AGENT_EVENTS = Exchange(AGENT_EXCHANGE, type="topic", durable=True)
# A queue that the broker took down with it may have no leader: it answers nothing, for a minute.
PATIENCE_S = 3.0
NOT_OURS_S = 0.2
_KEPT = {"delivery_mode": 2}  # on the broker's disk
# Headers of a task that say nothing: a third of the time it takes to write and to read a bell.
_UNSAID: tuple[object, ...] = (None, {}, [None, None])
Confirmed = Callable[[], object]
# Everything a broker that is away, restarting or wiped makes kombu raise.
BROKER_AWAY = (OSError, OperationalError, amqp.exceptions.AMQPError, amqp.exceptions.MessageNacked)


def _nothing() -> None:
    return None


def commands_queue(host_id: str) -> Queue:
    """The queue of one host's commands; each is worthless once it has expired."""
    name = host_queue(host_id)
    arguments = {**QUORUM, "x-message-ttl": 120_000}
    return Queue(name, Exchange("", type="direct"), routing_key=name, durable=True, queue_arguments=arguments)


def agent_events_queue() -> Queue:
    """Where every agent's events arrive."""
    return Queue(AGENT_QUEUE, AGENT_EVENTS, routing_key="#", durable=True, queue_arguments=QUORUM)


def every_queue(host_ids: Sequence[str]) -> list[Queue]:
    """All queues there must be with these hosts."""
    return [*(job_queue(name) for name in QUEUES), agent_events_queue(), *map(commands_queue, host_ids)]


class Publisher:
    """Publishes with confirms over one connection, made again when it breaks. Not for several threads.

    What is posted goes out at once; `settle` waits until the broker has confirmed all of it. One wait for many.
    """

    def __init__(self, broker_url: str):
        self._url = broker_url
        self._app = make_celery(broker_url)
        self._connection: Connection | None = None
        self._channel: Any = None
        self._declared: dict[tuple[Callable[[str], Queue], str], str] = {}  # names of queues by what they are of
        self._posted = 0  # on this channel: the broker counts along, and confirms by number
        self._open: dict[int, Confirmed] = {}
        self._refused = 0

    def _ready(self) -> Any:
        if self._channel is None:
            limits = {"read_timeout": PATIENCE_S, "write_timeout": PATIENCE_S}
            self._connection = Connection(self._url, heartbeat=0, connect_timeout=3, transport_options=limits)
            self._connection.ensure_connection(max_retries=1, timeout=3)
            self._channel = channel = self._connection.channel()
            channel.confirm_select()
            channel.events["basic_ack"].add(self._confirmed)
            channel.events["basic_nack"].add(self._nacked)
        return self._channel

    def ring(self, queue: str, task: str, job_id: str) -> None:
        """Ring for a job; returns once the broker has it on disk. Raises one of BROKER_AWAY."""
        self.post_bell(queue, task, job_id)
        self.settle()

    def post_bell(self, queue: str, task: str, job_id: str, confirmed: Confirmed = _nothing) -> None:
        """Send a bell; `confirmed` is called, later and from this thread, when the broker has it on disk."""
        # As Celery's send_task does it, without its router and its signals: half the time of a bell.
        bell = self._app.amqp.as_task_v2(str(uuid4()), task, args=(job_id,), ignore_result=True)
        said = {name: value for name, value in bell.headers.items() if value not in _UNSAID}
        told = {"content_type": "application/json", "content_encoding": "utf-8", "headers": said}
        told["properties"] = {**bell.properties, **_KEPT}
        self._guarded(lambda: self._post(queue, job_queue, (json.dumps(bell.body), told), confirmed))

    def command(self, host_id: str, token: str) -> None:
        """Give a host a signed command; returns once the broker has it. Raises one of BROKER_AWAY."""
        self.post_command(host_id, token)
        self.settle()

    def post_command(self, host_id: str, token: str, confirmed: Confirmed = _nothing) -> None:
        """Send a host a signed command; `confirmed` as for a bell."""
        told = {"content_type": "application/jose", "content_encoding": "ascii", "properties": _KEPT}
        self._guarded(lambda: self._post(host_id, commands_queue, (token, told), confirmed))

    def _post(
        self, of: str, queue: Callable[[str], Queue], said: tuple[str, Mapping[str, Any]], confirmed: Confirmed
    ) -> None:
        channel = self._ready()
        name = self._declared.get((queue, of))
        if name is None:
            target = queue(of)(channel)
            target.declare()
            name = self._declared[queue, of] = target.name
        body, told = said
        message = channel.prepare_message(body, **told)
        self._posted += 1
        self._open[self._posted] = confirmed
        channel.basic_publish(message, exchange="", routing_key=name)

    def settle(self) -> None:
        """Return once the broker has everything on disk that was posted; raises one of BROKER_AWAY."""
        self._guarded(self._settle)

    def _settle(self) -> None:
        while self._open and self._connection is not None:
            self._connection.drain_events(timeout=PATIENCE_S)
        refused, self._refused = self._refused, 0
        if refused:
            raise amqp.exceptions.MessageNacked(f"the broker refused {refused} message(s)")

    def _confirmed(self, number: int, multiple: bool) -> None:
        for each in self._up_to(number, multiple):
            self._open.pop(each)()

    def _nacked(self, number: int, multiple: bool) -> None:
        for each in self._up_to(number, multiple):
            del self._open[each]
            self._refused += 1

    def _up_to(self, number: int, multiple: bool) -> list[int]:
        if not multiple:
            return [number] if number in self._open else []
        return [each for each in self._open if each <= number]

    def declare(self, queue: Queue) -> None:
        """Make the queue, and its exchange, if it is missing: after the broker's disk was wiped, too."""
        self._guarded(lambda: queue(self._ready()).declare())

    def drop_host(self, host_id: str) -> None:
        """Delete a host's queue."""
        self._declared.pop((commands_queue, host_id), None)
        self._guarded(lambda: commands_queue(host_id)(self._ready()).delete())

    def _guarded(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except BROKER_AWAY:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go, and what was not confirmed; the next call makes a new one."""
        connection, self._connection, self._channel = self._connection, None, None
        self._declared, self._posted, self._open, self._refused = {}, 0, {}, 0
        if connection is not None:
            try:
                connection.collect(socket_timeout=1.0)  # release() would wait for an answer that may never come
            except BROKER_AWAY as error:
                log.debug("closing a broken connection", reason=str(error))


class AgentEvents:
    """Hears every agent while it is ours to: (host vouched for by the broker, payload), acknowledged once handled.

    One hears at a time: of two, one might write down late what its host had said first.
    """

    def __init__(
        self, broker_url: str, handle: Callable[[list[tuple[str, str]]], None], ours: Callable[[], bool] = lambda: True
    ):
        self._url = broker_url
        self._handle = handle
        self._ours = ours
        self._stopping = threading.Event()

    def run(self) -> None:
        """Consume until `stop`; connects again for ever."""
        while not self._stopping.is_set():
            if not self._ours():
                self._stopping.wait(NOT_OURS_S)
                continue
            try:
                self._session()
            except BROKER_AWAY as error:
                log.warning("the broker is away", reason=str(error))
                self._stopping.wait(0.5)

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def _session(self) -> None:
        with Connection(self._url, heartbeat=10, connect_timeout=3) as connection, connection.channel() as channel:
            batch: list[Message] = []
            queue = agent_events_queue()(channel)
            queue.declare()
            consumer = Consumer(channel, [queue], on_message=batch.append, prefetch_count=200)
            beat = time.monotonic()
            with consumer:
                while not self._stopping.is_set() and self._ours():
                    self._drain(connection, batch)
                    for message in batch:
                        if not self._ours():
                            return  # what isn't acknowledged is told to whoever has the role now
                        self._handle([(_sender(message), _text(message))])
                        message.ack()
                    batch.clear()
                    if time.monotonic() - beat > 3:
                        connection.heartbeat_check()
                        beat = time.monotonic()

    def _drain(self, connection: Connection, batch: list[Message]) -> None:
        try:
            connection.drain_events(timeout=0.5)
            while len(batch) < 100:
                connection.drain_events(timeout=0.0005)
        except TimeoutError:
            return


def _sender(message: Message) -> str:
    key = str(message.delivery_info.get("routing_key", ""))
    return key.removeprefix("host.")


def _text(message: Message) -> str:
    body = message.body
    return body if isinstance(body, str) else bytes(body).decode("utf-8", "replace")


def encode(value: Any) -> str:
    """Compact JSON, as it travels."""
    return json.dumps(value, separators=(",", ":"))
