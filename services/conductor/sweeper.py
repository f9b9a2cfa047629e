# SPDX-License-Identifier: Apache-2.0
"""The sweeper: rings again for every overdue, unfinished job; sends unanswered commands again; says what stalls.

It is what makes a lost, dropped or wiped message cost time only.
"""

import time
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.codec import load
from services.common.contracts.commands import Command
from services.common.contracts.flow import FLOWS
from services.common.contracts.guest import GUEST_STEPS
from services.common.contracts.states import JOB_DUE, JOB_PARKED, HostState, JobState
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import RERUNG
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, view_of
from services.common.store.vms import Vm
from services.conductor.witness import Witness, circumstances

log = get_logger(__name__)
# A bell is given this long before it is rung again.
PATIENCE_S = 2.0
BATCH = 200


def overdue(now: Any) -> ColumnElement[bool]:
    """Jobs that are due, in nobody's hands, and not rung for lately."""
    again = or_(Job.rung_at < now - PATIENCE_S, Job.due_at > Job.rung_at)
    return and_(Job.state.in_([str(s) for s in JOB_DUE]), Job.lease_until < now, Job.due_at <= now, again)


def unanswered(now: Any) -> ColumnElement[bool]:
    """Jobs whose host has not answered in time."""
    return and_(Job.state.in_([str(s) for s in JOB_PARKED]), Job.resend_at <= now)


def late(now: Any) -> ColumnElement[bool]:
    """Jobs whose wait is past its deadline."""
    return and_(Job.state.in_([str(s) for s in JOB_PARKED]), Job.deadline_at < now)


def silent(now: Any, timeout_s: float) -> ColumnElement[bool]:
    """Hosts that are thought to be there, and have said nothing for so long."""
    return and_(Host.state.in_([str(HostState.UP), str(HostState.DRAINING)]), Host.heartbeat_at < now - timeout_s)


class Sweeper:
    """Every method is one pass; all of them may run at any time, on any conductor."""

    def __init__(self, database: Database, journal: SqlJournal, witness: Witness):
        self._database = database
        self._journal = journal
        self._witness = witness

    def ring_overdue(self) -> int:
        """Ring for jobs that are due, in nobody's hands, and not rung for lately."""
        now = time.time()
        with self._database.read() as session:
            if not session.scalars(select(Job.id).where(overdue(now)).limit(1)).first():
                return 0
        with self._database.write() as session:
            jobs = session.scalars(select(Job).where(overdue(now)).limit(BATCH)).all()
            session.execute(update(Job).where(Job.id.in_([j.id for j in jobs])).values(rung_at=now))
            outbox.put(session, [advance.bell(j.id, FLOWS[j.kind].step(j.step)) for j in jobs])
        RERUNG.labels("bell").inc(len(jobs))
        return len(jobs)

    def resend_commands(self) -> int:
        """Send commands again that their host has not answered in time."""
        now = time.time()
        with self._database.read() as session:
            if not session.scalars(select(Job.id).where(unanswered(now)).limit(1)).first():
                return 0
        with self._database.write() as session:
            jobs = session.scalars(select(Job).where(unanswered(now)).limit(BATCH)).all()
            for job in jobs:
                self._resend(session, job, now)
        return len(jobs)

    def _resend(self, session: Session, job: Job, now: float) -> None:
        step = FLOWS[job.kind].step(job.step)
        session.execute(update(Job).where(Job.id == job.id).values(resend_at=now + step.resend_s))
        if job.command:
            outbox.put(session, command=load(Command, job.command))
            RERUNG.labels("command").inc()

    def resend_to(self, host_id: str) -> None:
        """A host's agent has just come (back): send it what it has not answered, and take up what stalled on it."""
        with self._database.write() as session:
            parked = [str(s) for s in (*JOB_PARKED, JobState.STALLED)]
            query = select(Job).join(Vm, Vm.id == Job.vm_id).where(Vm.host_id == host_id, Job.state.in_(parked))
            for job in session.scalars(query).all():
                if job.state == JobState.STALLED and job.kind == "vm.delete":
                    view = view_of(session, job, self._journal.platform(session))
                    self._journal.apply_in(session, view, advance.resumed(view))
                elif job.state != JobState.STALLED:
                    self._resend(session, job, time.time())

    def stall_overdue(self) -> None:
        """Say so where a wait is past its deadline; of a guest that is silent, evidence is taken first."""
        now = time.time()
        with self._database.read() as session:
            platform = self._journal.platform(session)
            jobs = session.scalars(select(Job).where(late(now)).limit(BATCH)).all()
            views = [(view_of(session, job, platform), circumstances(session, job, now)) for job in jobs]
        for view, told in views:
            if view.state == JobState.WAITING and view.step in GUEST_STEPS:
                self._witness.silent(view.id)
                continue
            waited = round(now - (view.deadline_at or now))
            reason = f"the host did not finish {view.step!r} in time ({waited} s over)"
            if self._journal.apply(view, advance.stalled(view, reason, told)):
                log.warning("job stalled", job=view.id, step=view.step)

    def mark_silent_hosts(self, timeout_s: float) -> None:
        """A host whose heartbeat is overdue is down: nothing is placed on it."""
        quiet = silent(time.time(), timeout_s)
        with self._database.read() as session:
            hosts = session.scalars(select(Host.id).where(quiet)).all()
        if hosts:
            with self._database.write() as session:
                session.execute(update(Host).where(Host.id.in_(hosts), quiet).values(state=str(HostState.DOWN)))
            log.warning("hosts are silent", hosts=list(hosts))
