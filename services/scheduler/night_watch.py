# SPDX-License-Identifier: Apache-2.0
"""The night watch: has empty hosts sleep and wakes them, as the active policy's `power` says; one watch at a time.

A host counts as idle since this watch first saw it empty, so a new watch, or a new scheduler, lets hosts stay awake a
little longer. Claims made between a look and its jobs are seen at the next look, which wakes what is needed then.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.errors import Conflict
from services.common.contracts.states import HostState, JobState
from services.common.contracts.waking import ways_of
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.common.store import control
from services.common.store.database import Database
from services.common.store.hosts import Host, StoredDecision
from services.common.store.jobs import Job
from services.common.store.journal import SqlJournal
from services.common.store.leadership import Leadership
from services.common.store.projects import Project
from services.common.store.sleeping import Asker, put_to_sleep, wake_up
from services.scheduler.inventory import load_inventory
from services.scheduler.night import Sight, plan_night
from services.scheduler.policy import Policy, Power

log = get_logger(__name__)
LOOK_S = 5.0
_DOZING = [str(s) for s in (HostState.UP, HostState.ASLEEP)]  # who may be put to sleep or woken
REFUSED_S = 60.0  # a vm that found no host within this wants more of them awake


class NightWatch:
    """Looks every few seconds, from a thread of its own."""

    def __init__(self, database: Database, policy: Callable[[], Policy], clock: Callable[[], float] = time.time):
        self._database = database
        self._policy = policy
        self._clock = clock
        self._journal = SqlJournal(database)
        self._leadership = Leadership(database, "night-watch")
        self._idle: dict[str, float] = {}  # since when each host was seen empty
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="night-watch", daemon=True)

    def start(self) -> "NightWatch":
        """Look from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()
        self._leadership.release()

    def look(self) -> None:
        """One look, if the watch is ours."""
        if not self._leadership.held():
            self._idle.clear()
            return
        self._take_back()
        policy = self._policy()
        if replace(policy.power, moves_per_hour=0) == Power():
            return
        now = self._clock()
        with self._database.read() as session:
            sights = self._sights(session, now)
            refused = _refused(session, now) and any(s.host.state == HostState.ASLEEP for s in sights)
        night = plan_night(sights, policy, refused)
        for host in night.sleep:
            self._have(put_to_sleep, host)
        for host in night.wake:
            self._have(partial(wake_up, by=policy.power.wake_by), host)

    def _sights(self, session: Session, now: float) -> list[Sight]:
        inventory = load_inventory(session, now)
        told = session.execute(select(Host.id, Host.facts["wake"]).where(Host.state.in_(_DOZING)))
        ways = {row[0]: ways_of(row[1] or {}) for row in told}
        empty = [h.id for h in inventory.hosts if h.state == HostState.UP and not h.vms and not h.used_vcpus]
        self._idle = {host: self._idle.get(host, now) for host in empty}
        return [Sight(h, now - self._idle.get(h.id, now), ways.get(h.id, ())) for h in inventory.hosts]

    def _have(self, begin: Callable[[Session, str, Asker], Job], host: str) -> None:
        try:
            with self._database.write() as session:
                first = select(Project.id).order_by(Project.created_at, Project.id).limit(1)
                job = begin(session, host, Asker(session.scalars(first).one()))
                told = job.kind
        except Conflict as error:
            log.info("a host is not as it was seen", host=host, reason=error.detail)
            return
        log.info("the policy moves a host", host=host, job=told)

    def _take_back(self) -> None:
        """A host that did not answer whether it sleeps: nobody needs to be asked what to do."""
        stalled = (Job.kind == "host.sleep") & (Job.state == str(JobState.STALLED))
        with self._database.read() as session:
            jobs = session.scalars(select(Job.id).where(stalled)).all()
        for job_id in jobs:
            with self._database.write() as session:
                control.rollback(session, session.get_one(Job, job_id), self._journal)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S / 2):
            with going_on(log, "the night watch stumbled"):
                self.look()


def _refused(session: Session, now: float) -> bool:
    lately = (StoredDecision.host_id.is_(None)) & (StoredDecision.created_at > now - REFUSED_S)
    return session.scalars(select(StoredDecision.id).where(lately).limit(1)).first() is not None
