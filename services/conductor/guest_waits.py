# SPDX-License-Identifier: Apache-2.0
"""The ends of the waits for guests: an installation is over with the first report, a boot with the right network."""

import time
from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.events import AgentEvent, JobEventKind
from services.common.contracts.flow import FLOWS
from services.common.contracts.guest import GUEST_STEPS
from services.common.contracts.journal import Changes, Done, JobView, NewEvent
from services.common.contracts.observed import mismatches
from services.common.contracts.states import JOB_MOVES, JobState, moved
from services.common.store.database import Database
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal, view_of
from services.common.store.network_plans import network_plans
from services.common.store.vms import Vm

# A vm that is off for longer than a restart takes has a guest that can't go on.
OFF_S = 10.0
OFF = ("off", "crashed", "absent")
# A guest whose first report isn't as asked gets this long to get there.
SETTLE_S = 30.0


def heard() -> ColumnElement[bool]:
    """Jobs that wait for guests which have said anything: during a storm of creates most have not yet."""
    return and_(Job.state == JobState.WAITING, Job.step.in_(GUEST_STEPS), Vm.observed.is_not(None))


class GuestWaits:
    """Every method may run at any time, on any conductor."""

    def __init__(self, database: Database, journal: SqlJournal):
        self._database = database
        self._journal = journal

    def finish_all(self) -> None:
        """End waits for guests that have reported what was asked for, or that are past their time."""
        now = time.time()
        with self._database.read() as session:
            jobs = session.scalars(select(Job).join(Vm, Vm.id == Job.vm_id).where(heard())).all()
            views = [(view_of(session, job, self._journal.platform(session)), job.deadline_at or 0.0) for job in jobs]
        for view, deadline in views:
            self.finish(view, deadline, now)

    def power_seen(self, event: AgentEvent) -> None:
        """A vm that is off says nothing more: its wait is over soon, unless it comes on again."""
        with self._database.write() as session:
            vm = session.get(Vm, event.vm)
            job = locked_wait(session, vm.job_id) if vm is not None and vm.host_id == event.host else None
            if vm is None or job is None:
                return
            now = time.time()
            if event.data.get("power") in OFF:
                job.deadline_at = min(job.deadline_at or now, now + OFF_S)
            elif event.data.get("power") == "on":
                step = FLOWS[job.kind].step(job.step)
                patience = self._journal.durations.silence_s(session, step, vm.os)
                job.deadline_at = max(job.deadline_at or now, now + patience)

    def finish(self, job: JobView, deadline: float, now: float) -> None:
        """End one wait if it is over."""
        if job.vm is None or said_failed(job):
            return
        with self._database.read() as session:
            vm = session.get(Vm, job.vm.id)
            networks = network_plans(session, (n.network for n in job.vm.spec.nics))
        observed = (vm.observed if vm else None) or {}
        before = next(
            (f["boot_before"] for f in job.facts.values() if f.get("boot_before") and not f.get("already")), ""
        )
        if not observed or (before and observed.get("boot_id") == before):
            return
        if job.step == "install":
            # Its agent speaks, so it is there: what it reports is weighed by the step that follows.
            self._journal.apply(job, advance.finished(job, Done({"ended_by": "report"}), now))
            return
        over = now > min(deadline, float(observed.get("at", now)) + SETTLE_S)
        if over or not mismatches(job.vm.spec.network, observed, networks):
            self._journal.apply(job, advance.finished(job, Done({"boot_id": observed.get("boot_id", "")})))


def locked_wait(session: Session, job_id: str | None, states: Collection[JobState] = (JobState.WAITING,)) -> Job | None:
    """The job, locked, if it waits for its guest. Its row is locked before the vm's, as every step's end does it."""
    if job_id is None:
        return None
    waiting = select(Job).where(Job.id == job_id, Job.state.in_(states), Job.step.in_(GUEST_STEPS))
    return session.scalars(waiting.with_for_update()).first()


def went_on(job: JobView, deadline_at: float) -> Changes:
    """A stalled wait is a wait again: its guest has spoken."""
    return Changes(
        state=moved(JOB_MOVES, job.state, JobState.WAITING),
        step=job.step,
        attempt=job.attempt,
        error={},
        deadline_at=deadline_at,
        events=(NewEvent(JobEventKind.RESUMED, job.step, "the guest goes on"),),
    )


def said_failed(job: JobView) -> bool:
    """Whether the guest has said that the present step failed: nothing it says later ends the step well."""
    return bool(job.facts.get(job.step, {}).get("failed"))
