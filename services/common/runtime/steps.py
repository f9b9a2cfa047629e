# SPDX-License-Identifier: Apache-2.0
"""How a step is claimed, run, handed on, and walked back.

A bell says "look at job 7f3a". The worker claims the job (lease and fence), runs ONE step, and writes its end in one
transaction. A lost, doubled, late or replayed bell finds nothing to claim. A worker that died leaves a lease that
runs out; one that was only slow finds that its fence is old, and what it did is dropped.
"""

import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery.exceptions import SecurityWarning
from celery.worker.consumer import Consumer

from services.common.contracts import advance
from services.common.contracts.errors import InnkeeperError, LostLease, StepFailed, TryAgain
from services.common.contracts.events import JobEventKind
from services.common.contracts.flow import FLOWS, UNDO_STEPS, task_name
from services.common.contracts.journal import Changes, Done, Handler, JobView, Journal, StepContext
from services.common.contracts.topics import job_channel
from services.common.runtime import heartbeat, tracing
from services.common.runtime.batches import MOST, Act, Batches, strategy
from services.common.runtime.celery_app import make_celery
from services.common.runtime.failpoints import hit
from services.common.runtime.feed import Feed
from services.common.runtime.going_on import going_on
from services.common.runtime.lasting import keep_what_is_there
from services.common.runtime.log import bind, get_logger
from services.common.runtime.metrics import LEASES_LOST, QUEUE_AGE, STEP_SECONDS
from services.common.runtime.settings import Settings
from services.common.runtime.worker_end import AskedToEnd, LastResort

log = get_logger(__name__)
# An error nobody foresaw is tried this often: it may be a passing fault; after that it is the step's failure.
UNFORESEEN_TRIES = 4
CONCURRENCY = 4


class Leases:
    """Keeps the leases of the jobs in hand alive, from one thread."""

    def __init__(self, journal: Journal, lease_s: float):
        self._journal = journal
        self._lease_s = lease_s
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._renew, name="leases", daemon=True).start()

    def hold(self, job: JobView) -> None:
        """Renew this job's lease until it is let go."""
        with self._lock:
            self._held[job.id] = job.fence

    def let_go(self, job: JobView) -> None:
        """The job is out of hand."""
        with self._lock:
            self._held.pop(job.id, None)

    def hand_back(self) -> list[str]:
        """Let others have every job in hand, at once; which jobs those were."""
        with self._lock:
            held, self._held = list(self._held.items()), {}
        self._journal.hand_back(held)
        return [job_id for job_id, _ in held]

    def _renew(self) -> None:
        while True:
            time.sleep(self._lease_s / 3)
            with self._lock:
                held = list(self._held.items())
            if not held:
                continue
            # A lease that is not renewed runs out, which is safe.
            with going_on(log, "leases not renewed"):
                self._journal.renew(held, self._lease_s)


class StepRunner:
    """Runs the steps of one queue."""

    def __init__(self, queue: str, handlers: Mapping[str, Handler], journal: Journal, settings: Settings):
        self.queue = queue
        self.handlers = handlers
        self.journal = journal
        self.lease_s = settings.lease_s
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{queue}"
        self.leases = Leases(journal, settings.lease_s)
        self.feed = Feed(settings.redis_url)

    def run(self, job_id: str) -> None:
        """Do the job's present step if it is ours to do; otherwise nothing."""
        hit(f"{self.queue}.before-claim")
        job = self.journal.claim(job_id, self.queue, self.owner, self.lease_s)
        if job is None:
            return
        hit(f"{self.queue}.after-claim")
        self.carry_out(job)

    def carry_out(self, job: JobView) -> None:
        """Do the present step of a job that was claimed for this runner."""
        QUEUE_AGE.labels(self.queue).observe(max(0.0, time.time() - job.due_since))
        vm = job.vm.id if job.vm else ""
        tracing.tell(f"wait for {self.queue}", job.id, job.due_since, vm=vm, queue=self.queue)
        with (
            bind(job=job.id, vm=vm or None, step=job.step),
            tracing.span(job.step, job.id, vm=vm, step=job.step, attempt=job.attempt) as told,
        ):
            self.leases.hold(job)
            begun = time.perf_counter()
            outcome = "error"
            try:
                changes, outcome = self._attempt(job)
                hit(f"{self.queue}.{job.step}.before-commit")
                self._write(job, changes)
                hit(f"{self.queue}.{job.step}.after-commit")
            finally:
                self.leases.let_go(job)
                told.set(outcome=outcome)
                if outcome in ("failed", "error"):
                    told.failed(outcome)
                STEP_SECONDS.labels(job.step, outcome).observe(time.perf_counter() - begun)

    def _attempt(self, job: JobView) -> tuple[Changes, str]:
        context = StepContext(job, lambda percent, text: self._progress(job, percent, text), time.time())
        try:
            outcome = self.handlers[job.step](context)
        except TryAgain as error:
            log.info("step put off", reason=error.detail, attempt=job.attempt)
            return advance.again(job, error, time.time()), "again"
        except InnkeeperError as error:
            log.warning("step failed", code=error.code, reason=error.detail)
            return advance.failed(job, error), "failed"
        except Exception as error:
            # The journal must move, whatever a handler raises.
            log.exception("step raised what nobody foresaw", attempt=job.attempt)
            if job.attempt + 1 < UNFORESEEN_TRIES:
                return advance.again(job, TryAgain(f"{type(error).__name__}: {error}"), time.time()), "again"
            return advance.failed(job, StepFailed(f"{type(error).__name__}: {error}")), "failed"
        if isinstance(outcome, Done):
            try:
                return advance.finished(job, outcome, time.time()), "done"
            except StepFailed as error:  # what follows at once can't be sent off
                return advance.failed(job, error), "failed"
        left = (job.deadline_at or time.time()) - time.time()
        return advance.parked(job, outcome, time.time(), left), "parked"

    def _write(self, job: JobView, changes: Changes) -> None:
        try:
            applied = self.journal.apply(job, changes)
        except InnkeeperError as error:
            # The step's own write was refused (a claim lost to somebody else): all of it is rolled back; again.
            log.info("step's end rolled back", reason=error.detail)
            retry = error if error.again else TryAgain(error.detail)
            applied = self.journal.apply(job, advance.again(job, retry, time.time()))
        if not applied:
            LEASES_LOST.inc()
            log.warning("result dropped: the job is in other hands", reason=str(LostLease()))

    def _progress(self, job: JobView, percent: float | None, text: str) -> None:
        self.feed.publish(
            job_channel(job.id),
            {
                "job": job.id,
                "project": job.project,
                "vm": job.vm.id if job.vm else None,
                "kind": str(JobEventKind.PROGRESS),
                "step": job.step,
                "percent": percent,
                "text": text,
                "at": time.time(),
            },
        )


def steps_of(queue: str) -> list[str]:
    """The names of all steps, forward and undo, that run on a queue."""
    forward = [s for flow in FLOWS.values() for s in flow.steps]
    return sorted({s.name for s in [*forward, *UNDO_STEPS.values()] if s.queue == queue})


def _leave_out_what_is_not_ours() -> None:
    # Celery answers quorum queues with 28 delay queues for ETA tasks; later is the database's matter here.
    steps = Consumer.Blueprint.default_steps
    steps[:] = [step for step in steps if not step.endswith(":DelayedDelivery")]
    # Celery warns of root because of pickle; JSON is all that is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)


@dataclass(frozen=True)
class Grouped:
    """A step that is done for many jobs at once: its name, and what does it, made once for a runner."""

    step: str
    act: Callable[[StepRunner], Act]


def run_worker(
    queue: str, handlers: Mapping[str, Handler], settings: Settings, journal: Journal, grouped: Grouped | None = None
) -> None:
    """Be the Celery worker of a queue until SIGTERM; what is in hand is finished first, or handed back (worker_end)."""
    missing = set(steps_of(queue)) ^ set(handlers)
    if missing:
        raise ValueError(f"queue {queue}: handlers and flow disagree on {sorted(missing)}")
    heartbeat.start(settings.heartbeat_file)
    tracing.start(queue)
    runner = StepRunner(queue, handlers, journal, settings)
    app = make_celery(settings.broker_url)
    _leave_out_what_is_not_ours()

    batches = Batches(grouped.act(runner)) if grouped else None

    def ring(job_id: str) -> None:
        runner.run(job_id)

    for step in [*UNDO_STEPS.values(), *(s for flow in FLOWS.values() for s in flow.steps)]:
        if step.queue == queue and task_name(step) not in app.tasks:
            together = (
                {"Strategy": staticmethod(strategy(batches))}
                if batches and grouped and step.name == grouped.step
                else {}
            )
            app.task(name=task_name(step), max_retries=0, **together)(ring)
    if batches:
        app.conf.worker_prefetch_multiplier = 2 * MOST // CONCURRENCY  # one batch in hand, one that gathers
    options: dict[str, Any] = {
        "queues": [queue],
        "pool": "threads",
        "concurrency": CONCURRENCY,
        "hostname": f"{queue}-{os.getpid()}@{socket.gethostname()}",  # two of a kind on one machine are two nodes
        "without_gossip": True,
        "without_mingle": True,
        "loglevel": "WARNING",
        "quiet": True,
    }
    log.info("worker starts", queue=queue, steps=sorted(handlers))
    last_resort = LastResort(AskedToEnd(), settings.grace_s, runner.leases.hand_back)
    worker = app.Worker(**options)
    keep_what_is_there()
    worker.start()
    if batches:
        batches.stop()
    tracing.stop()
    last_resort.finished()
