# SPDX-License-Identifier: Apache-2.0
"""Evidence before the verdict: a job whose guest failed or fell silent waits until its host has looked at the vm.

The wait is short (evidence.PATIENCE_S) and kept in the table, so it ends whoever dies; without an answer the verdict
says so. Only then is the vm walked back: what was seen of it is kept, though it is gone.
"""

import time
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.errors import GuestFailed
from services.common.contracts.events import AgentEvent
from services.common.contracts.evidence import QUOTED, plain, seen
from services.common.contracts.guest import failure_text
from services.common.contracts.journal import JsonDict
from services.common.contracts.states import HostState
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.evidence import Evidence, look
from services.common.store.guest_tools import GuestTools
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, view_of
from services.common.store.vms import Vm
from services.conductor.guest_waits import OFF, locked_wait
from services.conductor.metrics import EVIDENCE, VERDICTS

log = get_logger(__name__)
# Whoever asked for an earlier look has it by then.
LOOKS_STAY_S = 30.0


class Witness:
    """Asks hosts, keeps their answers, and gives the verdict on the jobs that waited for one."""

    def __init__(self, database: Database, journal: SqlJournal):
        self._database = database
        self._journal = journal

    def call(self, session: Session, job: Job, vm: Vm) -> None:
        """Ask for evidence; the job's verdict is given with the answer, or without one after a while."""
        look(session, vm, self._journal.platform(session), job.id)

    def silent(self, job_id: str) -> bool:
        """The deadline of a wait for a guest is over; False where the job has moved on meanwhile."""
        with self._database.write() as session:
            job = locked_wait(session, job_id)
            if job is None or _called(session, job.id) or not _over(job, time.time()):
                return False
            vm = session.get(Vm, job.vm_id) if job.vm_id else None
            host = session.get(Host, vm.host_id) if vm is not None and vm.host_id else None
            if vm is None or host is None or host.state == HostState.DOWN:
                self._verdict(session, job, None)
            else:
                self.call(session, job, vm)
        return True

    def record(self, event: AgentEvent) -> None:
        """A host's answer. One that nobody asked that host for is dropped."""
        found = seen(event.data)
        with self._database.write() as session:
            row = session.get(Evidence, event.command)
            if row is None or row.host_id != event.host or row.vm_id != event.vm or row.taken_at is not None:
                return
            job = locked_wait(session, row.job_id) if row.until is not None and row.job_id else None
            row.taken_at = time.time()
            row.console, row.screenshot, row.note = found.console, found.screenshot or None, found.note
            row.until = None
            EVIDENCE.labels("answered").inc()
            _forget_looks(session, row)
            if job is not None:
                self._verdict(session, job, row)

    def give_up(self) -> None:
        """The verdict on jobs whose host hasn't answered in time."""
        late = Evidence.until < time.time()
        with self._database.read() as session:
            waiting = session.execute(select(Evidence.id, Evidence.job_id).where(late)).all()
        for row_id, job_id in waiting:
            with self._database.write() as session:
                job = locked_wait(session, job_id)
                row = session.get(Evidence, row_id)
                if row is None or row.until is None:
                    continue
                row.until = None
                row.note = "the host did not answer in time"
                EVIDENCE.labels("silent").inc()
                if job is not None:
                    self._verdict(session, job, row)

    def _verdict(self, session: Session, job: Job, row: Evidence | None) -> None:
        session.flush()
        now = time.time()
        view = view_of(session, job, self._journal.platform(session))
        told = {**circumstances(session, job, now), **_quoted(row)}
        failed: JsonDict | None = view.facts.get(view.step, {}).get("failed")
        if failed:
            error = GuestFailed(failure_text(view.step, failed), extra={"log": failed.get("log", ""), **told})
            self._journal.apply_in(session, view, advance.failed(view, error))
            VERDICTS.labels(view.step, "failed").inc()
        elif _over(job, now):
            off = f"the vm is {told['power']}, so that its guest can't go on in {view.step!r}"
            silent = f"the guest has said nothing new for too long in {view.step!r}"
            reason = off if told["power"] in OFF else silent
            self._journal.apply_in(session, view, advance.stalled(view, reason, told))
            VERDICTS.labels(view.step, "stalled").inc()
            log.warning("job stalled", job=view.id, step=view.step)


def circumstances(session: Session, job: Job, now: float) -> JsonDict:
    """What the platform itself knows of a job's vm and its host."""
    vm = session.get(Vm, job.vm_id) if job.vm_id else None
    host = session.get(Host, vm.host_id) if vm and vm.host_id else None
    phase: Any = job.facts.get(job.step, {}).get("phase")
    told = session.get(GuestTools, vm.id) if vm else None
    return {
        "host": host.name if host else None,
        "host_state": host.state if host else None,
        "host_heartbeat_age_s": round(now - host.heartbeat_at, 1) if host and host.heartbeat_at else None,
        "power": vm.power if vm else None,
        "guest_last_seen_s": round(now - vm.seen_at, 1) if vm and vm.seen_at else None,
        "observed": vm.observed if vm else None,
        **({"phase": phase} if phase else {}),
        **({"tools": {**told.facts, "told_s": round(now - told.at, 1)}} if told else {}),
    }


def _quoted(row: Evidence | None) -> JsonDict:
    if row is None or row.taken_at is None:
        return {"note": row.note if row is not None else "the host is silent: nothing could be seen of the vm"}
    kept = {"taken_at": row.taken_at, "screenshot": row.screenshot is not None, "console": plain(row.console, QUOTED)}
    return {**kept, "note": row.note} if row.note else kept


def _forget_looks(session: Session, row: Evidence) -> None:
    """Of those who only looked, the latest answer is kept: somebody may look every second for days."""
    looks = delete(Evidence).where(Evidence.vm_id == row.vm_id, Evidence.job_id.is_(None))
    session.execute(looks.where(Evidence.asked_at < row.asked_at - LOOKS_STAY_S))


def _called(session: Session, job_id: str) -> bool:
    pending = select(Evidence.id).where(Evidence.job_id == job_id, Evidence.until.is_not(None))
    return session.scalars(pending.limit(1)).first() is not None


def _over(job: Job, now: float) -> bool:
    return job.deadline_at is not None and job.deadline_at < now
