# SPDX-License-Identifier: Apache-2.0
"""The recorder: turns what agents report into facts in the database, and ends the steps that waited for them."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.codec import dump, load
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.events import AgentEvent, HostFacts, JobEventKind, Telemetry
from services.common.contracts.events import AgentEventKind as K
from services.common.contracts.journal import Changes, Done, JobView
from services.common.contracts.states import JOB_PARKED, HostState, JobState
from services.common.contracts.topics import job_channel
from services.common.runtime.failpoints import hit
from services.common.runtime.feed import Feed
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import AGENT_EVENTS
from services.common.store.database import Database
from services.common.store.datastores import note_datastores
from services.common.store.host_failures import count_failure
from services.common.store.host_states import move_host
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, view_of
from services.common.store.tables import table_of
from services.common.store.together import How, Row, write_together
from services.common.store.vm_loads import VmLoad

log = get_logger(__name__)
DOZES_OFF_S = 15.0
LOADS = table_of(VmLoad)
WAITS = (OperationalError, TryAgain)
_ANSWERED = JOB_PARKED | {JobState.STALLED}


class Recorder:
    """Handles events in the order of their arrival; an event handled twice changes nothing the second time."""

    def __init__(
        self,
        database: Database,
        journal: SqlJournal,
        feed: Feed,
        on_hello: Callable[[str], None],
        others: Mapping[K, Callable[[AgentEvent], None]],
    ):
        self._database = database
        self._journal = journal
        self._feed = feed
        self._on_hello = on_hello
        self._handlers: dict[K, Callable[[AgentEvent], None]] = {
            K.HELLO: self._hello,
            K.HEARTBEAT: self._heartbeat,
            K.DONE: self._answered,
            K.FAILED: self._answered,
            K.REFUSED: self._answered,
            K.PROGRESS: self._progress,
            **others,
        }

    def handle(self, batch: list[tuple[str, str]]) -> None:
        """Record a batch of (sender as the broker says, payload)."""
        for sender, payload in batch:
            event = self._parsed(sender, payload)
            if event is None:
                continue
            hit("recorder.before-event")
            AGENT_EVENTS.labels(event.kind).inc()
            self._record(event)
            hit("recorder.after-event")

    def _record(self, event: AgentEvent) -> None:
        while True:
            try:
                # One event that can't be handled must not stop the others; what it said is asked for again.
                with going_on(log, "event not recorded", WAITS, kind=event.kind, vm=event.vm, host=event.host):
                    self._handlers[event.kind](event)
                return
            except WAITS as error:
                # The database is busy or away: the batch isn't acknowledged, so nothing is lost by waiting for it.
                log.warning("event waits for the database", kind=event.kind, reason=type(error).__name__)
                time.sleep(0.2)

    def _parsed(self, sender: str, payload: str) -> AgentEvent | None:
        try:
            event = load(AgentEvent, json.loads(payload))
        except ValueError as error:
            log.warning("an event could not be read", host=sender, reason=str(error)[:200])
            return None
        if event.host != sender:
            log.error("an agent spoke in another's name", host=sender, claimed=event.host)
            return None
        return event

    def _hello(self, event: AgentEvent) -> None:
        facts = load(HostFacts, event.data)
        with self._database.write() as session:
            host = session.get(Host, event.host)
            if host is None:
                log.warning("an unknown host says hello", host=event.host)
                return
            host.facts = dump(facts)
            host.vcpus, host.memory_mib, host.disk_gib = facts.vcpus, facts.memory_mib, facts.disk_gib
            host.traits = sorted({*host.traits, *facts.traits})
            if facts.power_curve and not host.power_curve:
                host.power_curve = list(facts.power_curve)
            self._alive(session, host, spoke_first=True)
            note_datastores(session, host.id, facts.datastores)
        log.info("host is up", host=event.host, driver=facts.driver)
        self._on_hello(event.host)

    def _heartbeat(self, event: AgentEvent) -> None:
        telemetry = load(Telemetry, event.data)
        with self._database.write() as session:
            host = session.get(Host, event.host)
            if host is None:
                return
            told = dump(telemetry)
            cores = told.pop("vm_cores")  # as long as the host's list of vms, and every placement reads telemetry
            host.telemetry = {**told, "at": event.at}
            write_together(session, [Row(LOADS, {"host_id": host.id, "cores": cores}, How.UPSERT)])
            self._alive(session, host)

    def _alive(self, session: Session, host: Host, spoke_first: bool = False) -> None:
        host.heartbeat_at = time.time()
        session.flush()
        silent = [HostState.DOWN, HostState.WAKING]
        if host.vcpus:
            silent.append(HostState.ENROLLED)
        # The last heartbeats before it slept may come late; later ones, or a hello, mean that it is awake.
        if spoke_first or time.time() - host.updated_at > DOZES_OFF_S:
            silent.append(HostState.ASLEEP)
        if host.state in silent:
            move_host(session, host.id, HostState.UP, silent)

    def _progress(self, event: AgentEvent) -> None:
        told = {
            "job": event.job,
            "vm": event.vm,
            "kind": str(JobEventKind.PROGRESS),
            "step": event.step,
            "at": event.at,
        }
        percent, text = event.data.get("percent"), str(event.data.get("text", ""))[:500]
        self._feed.publish(job_channel(event.job), {**told, "percent": percent, "text": text})

    def _answered(self, event: AgentEvent) -> None:
        if not event.job:
            return
        with self._database.write() as session:
            job = self._waiting(session, event)
            if job is not None:
                view = view_of(session, job, self._journal.platform(session))
                if view.state == JobState.STALLED:
                    changes = self._late(view, event)
                else:
                    changes = self._changes(view, event)
                    if changes is None:
                        self._later(session, job)
                if changes is not None:
                    self._journal.apply_in(session, view, changes)
                    if event.kind == K.FAILED and view.vm is not None:
                        count_failure(session, event.host, time.time())

    def _waiting(self, session: Session, event: AgentEvent) -> Job | None:
        job = session.get(Job, event.job)
        if job is None or job.state not in _ANSWERED or job.step != event.step:
            return None
        # An answer to an older command (before a retry raised the fence) doesn't end this wait.
        return job if (job.command or {}).get("id") == event.command else None

    def _late(self, view: JobView, event: AgentEvent) -> Changes | None:
        """An answer ends a wait that was given up on, too. What people must look at anyway stays as it is."""
        if event.kind != K.DONE and (view.undo or event.data.get("again")):
            return None
        changes = self._changes(view, event)
        return advance.after_all(view, changes) if changes is not None else None

    def _changes(self, view: JobView, event: AgentEvent) -> Changes | None:
        if event.kind == K.DONE:
            return advance.finished(view, Done({**view.facts.get(view.step, {}), **event.data}), time.time())
        detail = str(event.data.get("detail") or event.data.get("reason") or event.kind)[:2000]
        if event.kind == K.REFUSED:
            return advance.failed(view, HostFailed(f"the host refused: {detail}")) if detail == "tombstone" else None
        if not event.data.get("again"):
            return advance.failed(view, HostFailed(detail, extra=_evidence(event.data)))
        if view.deadline_at is not None and time.time() > view.deadline_at:
            return advance.failed(view, TryAgain(detail))
        log.info("host asks for another try", job=view.id, reason=detail)
        return None

    def _later(self, session: Session, job: Job) -> None:
        session.execute(update(Job).where(Job.id == job.id).values(resend_at=time.time() + 1.0))


def _evidence(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in data.items() if k not in ("detail", "again", "code")}
