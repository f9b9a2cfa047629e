# SPDX-License-Identifier: Apache-2.0
"""Bells that are answered in batches: Celery receives them, one thread gathers those that lie there, and acts once.

While a batch is worked on the next one gathers, so batches grow with the load. Where bells come one upon another they
are waited for, the longer the more a batch costs; a bell that comes after a pause waits for nobody.
A bell is acknowledged after its batch; one that is lost with the process is delivered again, or rung by the sweeper.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery.exceptions import InvalidTaskError

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger

log = get_logger(__name__)
PLAIN_LOG = logging.getLogger(__name__)  # as Celery's own acknowledging writes to it
MOST = 128  # bells a batch
# After a pause as long as this the next bell is probably alone.
PAUSE_S = 0.03
# Bells are gathered for half as long as the last batch took: then they are done two thirds of the time.
LEAST_GATHER_S, MOST_GATHER_S = 0.002, 0.01
Act = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Bell:
    """One message: the job it names, and what acknowledges it and tells Flower, in Celery's own thread.

    `soon(action)` has an action done there.
    """

    job: str
    answer: Callable[[str, float], None]
    soon: Callable[[Callable[[], None]], Any]


class Batches:
    """Hands jobs to `act` in batches, from a thread of its own. `act` bears a job that is named twice."""

    def __init__(self, act: Act):
        self._act = act
        self._bells: queue.SimpleQueue[Bell | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def put(self, bell: Bell) -> None:
        """Have it done with the next batch."""
        self._bells.put(bell)

    def stop(self) -> None:
        """Finish the batch in hand and what lies there, then end."""
        self._bells.put(None)
        self._thread.join()

    def _run(self) -> None:
        going, took = True, 0.0
        while going:
            asked = time.monotonic()
            first = self._bells.get()
            if first is None:
                return
            lone = time.monotonic() - asked > PAUSE_S
            batch, going = self._gathered(first, 0.0 if lone else min(MOST_GATHER_S, max(LEAST_GATHER_S, took / 2)))
            took = self._acted(batch)

    def _acted(self, batch: Sequence[Bell]) -> float:
        """Have the batch done and answered; the seconds it took."""
        begun = time.perf_counter()
        # Whatever it raises, the bells are answered: the sweeper rings again for jobs that were left.
        with going_on(log, "a batch was left to the sweeper", jobs=len(batch)) as course:
            self._act([bell.job for bell in batch])
        took = time.perf_counter() - begun
        kind = "task-failed" if course.broke else "task-succeeded"
        batch[0].soon(partial(_answered, batch, kind, took / len(batch)))
        return took

    def _gathered(self, first: Bell, wait_s: float) -> tuple[list[Bell], bool]:
        batch, until = [first], time.monotonic() + wait_s
        while len(batch) < MOST:
            try:
                bell = self._bells.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if bell is None:
                return batch, False
            batch.append(bell)
        return batch, True


def _answered(batch: Sequence[Bell], kind: str, took: float) -> None:
    for bell in batch:
        bell.answer(kind, took)


def strategy(batches: Batches) -> Callable[[Any, Any, Any], Callable[..., None]]:
    """The Strategy of a Celery task, its hook for what becomes of a message: they go to `batches`, past the pool."""

    def connected(task: Any, _app: Any, consumer: Any) -> Callable[..., None]:
        events = consumer.event_dispatcher
        tells = bool(events and events.enabled and task.send_events)

        def received(message: Any, _body: Any, ack: Any, _reject: Any, _callbacks: Any) -> None:
            uuid = message.headers.get("id", "")

            def answer(kind: str, took: float) -> None:
                ack(PLAIN_LOG, consumer.connection_errors)
                if tells:
                    said = {"result": "None"} if kind == "task-succeeded" else {"exception": "see the log"}
                    events.send(kind, uuid=uuid, runtime=took, **said)

            job = _job(message)
            if tells:
                events.send("task-received", uuid=uuid, name=task.name, args=message.headers.get("argsrepr", ""))
            batches.put(Bell(job, answer, consumer.call_soon))

        return received

    return connected


def _job(message: Any) -> str:
    """The job a bell names; InvalidTaskError, which makes Celery reject the message, where it names none."""
    body = message.payload
    args = body[0] if isinstance(body, list | tuple) and body else None
    if not isinstance(args, list | tuple) or len(args) != 1 or not isinstance(args[0], str):
        raise InvalidTaskError("a bell names one job")
    return args[0]
