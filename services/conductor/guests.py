# SPDX-License-Identifier: Apache-2.0
"""What guests say: kept as observed facts, told as phases, and the end of a wait for a boot."""

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.errors import GuestFailed
from services.common.contracts.events import AgentEvent, JobEventKind
from services.common.contracts.journal import NewEvent
from services.common.contracts.states import JobState
from services.common.store.database import Database
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, append_events, view_of
from services.common.store.vms import Vm
from services.conductor.sweeper import Sweeper


class Guests:
    """Records guest messages that an agent has checked; the vm is the one whose port they came through."""

    def __init__(self, database: Database, journal: SqlJournal, sweeper: Sweeper):
        self._database = database
        self._journal = journal
        self._sweeper = sweeper

    def record(self, event: AgentEvent) -> None:
        """One message."""
        message = event.data
        with self._database.write() as session:
            vm = session.get(Vm, event.vm)
            if vm is None or vm.host_id != event.host:
                return
            kind = message.get("type")
            job = self._booting(session, vm)
            vm.seen_at = time.time()
            if kind == "report":
                vm.observed = {**_without(message, "type"), "at": time.time()}
                vm.version += 1
            elif kind == "phase" and job:
                text = str(message.get("name", ""))
                data = {"percent": message.get("percent")} if message.get("percent") is not None else {}
                append_events(session, job.id, [NewEvent(JobEventKind.PHASE, job.step, text, data)])
            elif kind == "failed" and job:
                self._failed(session, job, message)
            elif kind == "load":
                vm.observed = {**(vm.observed or {}), "load": _without(message, "type")} if vm.observed else None
            view = view_of(session, job, self._journal.platform(session)) if job and kind == "report" else None
            deadline = job.deadline_at or 0.0 if job else 0.0
        if view is not None:
            self._sweeper.finish_boot(view, deadline, time.time())

    def _booting(self, session: Session, vm: Vm) -> Job | None:
        if not vm.job_id:
            return None
        waiting = select(Job).where(Job.id == vm.job_id, Job.state == JobState.WAITING, Job.step == "boot")
        # The job's row is locked before the vm's, as every step's end does it.
        return session.scalars(waiting.with_for_update()).first()

    def _failed(self, session: Session, job: Job, message: dict[str, object]) -> None:
        view = view_of(session, job, self._journal.platform(session))
        error = GuestFailed(
            f"the guest failed in {message.get('phase', 'an unnamed phase')}", extra={"log": message.get("log")}
        )
        self._journal.apply_in(session, view, advance.failed(view, error))


def _without(message: dict[str, object], key: str) -> dict[str, object]:
    return {k: v for k, v in message.items() if k != key}
