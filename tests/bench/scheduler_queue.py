# SPDX-License-Identifier: Apache-2.0
"""The scheduler service end to end: bells through RabbitMQ, claims in PostgreSQL, readers told through Redis."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import insert, select

from deploy.local.servers import RabbitMQ, Redis
from services.common.contracts.flow import QUEUES
from services.common.contracts.ids import new_id
from services.common.contracts.topics import project_channel
from services.common.runtime.bus import Publisher, every_queue
from services.common.runtime.feed import Feed
from services.common.store.database import Database
from services.common.store.jobs import Job
from services.common.store.tables import table_of, values_of
from services.common.store.vms import Vm
from tests.bench.figures import percentile
from tests.support.inn import Inn
from tests.support.process import Process
from tests.support.stack import ROOT, free_port
from tests.support.waiting import until

JOBS = 6_000
OFFERED = 300.0
LATENT = 3_000
WARM = 600
ROUNDS = 3


@dataclass(frozen=True)
class Room:
    """The service with all it needs."""

    database: Database
    rabbit: RabbitMQ
    redis: Redis
    service: Process
    project: str


class Told:
    """When readers were told that a job's place was done, by job."""

    def __init__(self, room: Room):
        self.at: dict[str, float] = {}
        self._ended = threading.Event()
        self._feed = Feed(room.redis.url)
        self._channel = project_channel(room.project)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._feed.listen([self._channel]) as heard:
            while not self._ended.is_set():
                message = heard.get(0.2)
                if message and message.get("kind") == "step.finished":
                    self.at[message["job"]] = time.time()

    def stop(self) -> None:
        """Listen no more."""
        self._ended.set()
        self._thread.join()


@contextmanager
def room(database: Database) -> Iterator[Room]:
    """Start everything but the database."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ikq-")))
        path.chmod(0o755)
        rabbit, redis = RabbitMQ(path / "r"), Redis(path / "s")
        for server in (rabbit, redis):
            server.start()
            stack.callback(server.stop)
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "INNKEEPER_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "INNKEEPER_BROKER_URL": rabbit.url,
            "INNKEEPER_REDIS_URL": redis.url,
            "INNKEEPER_KEYS_DIR": str(path / "keys"),
            "INNKEEPER_STATE_DIR": str(path / "state"),
            "INNKEEPER_METRICS_PORT": str(free_port()),
            "INNKEEPER_LOG_LEVEL": "warning",
        }
        service = Process("scheduler", [sys.executable, "-m", "services.scheduler"], env, path / "scheduler.log")
        publisher = Publisher(rabbit.url)
        for queue in every_queue([]):
            publisher.declare(queue)
        publisher.close()
        _, job = Inn(database).add_vm("first")
        service.start()
        stack.callback(service.stop)
        yield Room(database, rabbit, redis, service, Inn(database).job(job).project_id)


def more_jobs(database: Database, count: int) -> list[str]:
    """So many vms to place, each like the first; their jobs."""
    with database.read() as session:
        vm = values_of(session.scalars(select(Vm).where(Vm.name == "first")).one())
        job = values_of(session.scalars(select(Job).where(Job.vm_id == vm["id"])).one())
    job |= {"due_at": 0.0, "state": "queued", "step": "place", "queue": QUEUES[0], "fence": 0, "facts": {}}
    job |= {"lease_until": 0.0, "deadline_at": None, "started_at": None, "last_seq": 1, "attempt": 0}
    vms: list[dict[str, Any]] = []
    jobs: list[dict[str, Any]] = []
    for _ in range(count):
        vm_id, job_id = new_id(), new_id()
        vms.append({**vm, "id": vm_id, "name": vm_id, "job_id": job_id, "host_id": None})
        jobs.append({**job, "id": job_id, "vm_id": vm_id})
    with database.write() as session:
        session.execute(insert(table_of(Vm)), vms)
        session.execute(insert(table_of(Job)), jobs)
    return [row["id"] for row in jobs]


def rung(room: Room, jobs: Sequence[str], per_s: float = 0.0) -> dict[str, float]:
    """Ring for them, at a steady rate whatever becomes of those before, or at once; when each was to be rung."""
    publisher, at = Publisher(room.rabbit.url), {}
    begun, clock = time.monotonic(), time.time()
    for n, job in enumerate(jobs):
        due = n / per_s if per_s else 0.0
        pause = begun + due - time.monotonic()
        if pause > 0:
            time.sleep(pause)  # the offered rate is what is measured against
        at[job] = clock + due
        publisher.post_bell(QUEUES[0], "scheduler.place", job)
    publisher.settle()
    publisher.close()
    return at


def queue_figures(database: Database) -> dict[str, float]:
    """queue_per_s and queue_p99_ms, in jobs placed and milliseconds: medians of several rounds each."""
    with room(database) as here:
        told = Told(here)
        _all_told(here, told, _rung_new(here, WARM))
        latencies = [percentile(_latencies_ms(here, told), 0.99) for _ in range(ROUNDS)]
        rates = [_rate(here, told) for _ in range(ROUNDS)]
        told.stop()
        database.close()
        return {"queue_per_s": median(rates), "queue_p99_ms": median(latencies)}


def _latencies_ms(here: Room, told: Told) -> list[float]:
    """From when each job was to be rung for until a reader was told, at the offered rate."""
    at = _rung_new(here, LATENT, OFFERED)
    _all_told(here, told, at)
    return [(told.at[job] - rung_at) * 1000 for job, rung_at in at.items()]


def _rate(here: Room, told: Told) -> float:
    """Jobs a second of a service that finds them all in its queue, from its first batches on."""
    here.service.stop()
    jobs = _rung_new(here, JOBS)
    here.service.start()
    until(lambda: len(told.at.keys() & jobs.keys()) > WARM, 60, "the service is at work", pause=0.01)
    first, begun = len(told.at.keys() & jobs.keys()), time.monotonic()
    _all_told(here, told, jobs)
    return (len(jobs) - first) / (time.monotonic() - begun)


def _rung_new(here: Room, count: int, per_s: float = 0.0) -> dict[str, float]:
    return rung(here, more_jobs(here.database, count), per_s)


def _all_told(here: Room, told: Told, jobs: Mapping[str, float]) -> None:
    until(lambda: all(job in told.at for job in jobs), 120, f"all placed\n{here.service.tail(5)}", pause=0.02)
