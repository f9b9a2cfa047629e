# SPDX-License-Identifier: Apache-2.0
"""Following a job: server-sent events, resumed where they broke off; plain polling where they don't work.

Whatever happens on the way, every journal event is yielded once and in order. Progress has no seq, is not in the
journal, and may be missed.
"""

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace

from innkeeper.errors import Busy, ClientError, NotTheContract, ServerFault, Unreachable, WaitTimeout
from innkeeper.models.job import FINAL_KINDS, PROGRESS, Job, JobEvent, job_event
from innkeeper.sse import ServerEvent, server_events
from innkeeper.transport import Call, Transport

# The server speaks at least every 15 s (a comment, if nothing else): silence this long is a dead connection.
SILENCE_S = 45.0
# A stream that held this long does work, even if nothing happened meanwhile.
IDLE_S = 5.0
_PASSING = (Unreachable, Busy, ServerFault)


@dataclass(frozen=True)
class WatchPolicy:
    """How patient a watch is: `stream_tries` fruitless streams, then polling; `patience_s` without any answer."""

    stream_tries: int = 3
    pause_s: float = 0.5
    poll_s: float = 1.0
    patience_s: float = 60.0
    timeout_s: float | None = None  # for the whole watch; None waits for ever


@dataclass(frozen=True)
class Journal:
    """How to look at one job: each call may raise what innkeeper.errors names."""

    job_id: str
    transport: Transport
    job: Callable[[], Job]
    events: Callable[[], list[JobEvent]]


class Watch:
    """One watch of one job; iterate it once."""

    def __init__(
        self,
        journal: Journal,
        policy: WatchPolicy,
        after: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._journal = journal
        self._policy = policy
        self._seq = after
        self._clock = clock
        self._sleep = sleep
        self._started = self._heard = clock()

    def __iter__(self) -> Iterator[JobEvent]:
        """Events until the job is final; raises WaitTimeout, or Unreachable after `patience_s` of silence."""
        fruitless = 0
        while fruitless < self._policy.stream_tries:
            before, opened = self._seq, self._clock()
            try:
                yield from self._streamed()
            except NotTheContract:
                break  # no event stream on the way to us, e.g. a proxy that rewrites
            except _PASSING as error:
                self._endure(error)
            if (yield from self._caught_up(always=False)):
                return
            useful = self._seq > before or self._clock() - opened >= IDLE_S
            fruitless = 0 if useful else fruitless + 1
            self._pause(self._policy.pause_s)
        while not (yield from self._caught_up(always=True)):
            self._pause(self._policy.poll_s)

    def _streamed(self) -> Iterator[JobEvent]:
        """Events of one connection; ends with the connection, or after an event that may be the last."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self._seq)}
        call = Call("GET", f"/v1/jobs/{self._journal.job_id}/events", headers=headers)
        with self._journal.transport.stream(call, min(SILENCE_S, self._left())) as response:
            kind = response.headers.get("Content-Type", "")
            if not kind.startswith("text/event-stream"):
                raise NotTheContract(f"an event stream was asked for, {kind or 'nothing'} came")
            for message in server_events(self._alive(response.iter_lines())):
                event = parse(message)
                if self._is_new(event):
                    yield event
                if event.kind in FINAL_KINDS:
                    return

    def _caught_up(self, always: bool) -> Generator[JobEvent, None, bool]:
        """Whether the job is final; then (or `always`) what the journal has and we have not is yielded first."""
        try:
            final = self._journal.job().final
            missed = self._journal.events() if final or always else []
        except _PASSING as error:
            self._endure(error)
            return False
        self._heard = self._clock()
        yield from filter(self._is_new, missed)
        return final

    def _alive(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines; each, even a comment, shows that the server is there."""
        for line in lines:
            self._heard = self._clock()
            self._left()
            yield line

    def _is_new(self, event: JobEvent) -> bool:
        if event.seq is None:
            return True
        if event.seq <= self._seq:
            return False
        self._seq = event.seq
        return True

    def _endure(self, error: ClientError) -> None:
        if self._clock() - self._heard > self._policy.patience_s:
            raise error

    def _left(self) -> float:
        """Seconds until the watch's timeout; raises WaitTimeout when there are none."""
        if self._policy.timeout_s is None:
            return float("inf")
        left = self._policy.timeout_s - (self._clock() - self._started)
        if left <= 0:
            raise WaitTimeout(self._journal.job_id, self._policy.timeout_s)
        return left

    def _pause(self, seconds: float) -> None:
        self._sleep(min(seconds, self._left()))


def parse(message: ServerEvent) -> JobEvent:
    """A job event of its wire form; raises NotTheContract where the data is no JSON object."""
    try:
        data = json.loads(message.data)
    except ValueError as error:
        raise NotTheContract(f"event {message.event!r} carries no JSON: {error}") from error
    event = job_event({"kind": message.event} | data if isinstance(data, dict) else data)
    if event.kind == PROGRESS:
        return replace(event, seq=None)
    return replace(event, seq=int(message.id)) if message.id.isdecimal() else event
