# SPDX-License-Identifier: Apache-2.0
"""Prometheus gauges of what the database holds, refreshed every few seconds by the one conductor that keeps house.

A conductor that keeps house no longer withdraws them: what it knew would be told for ever beside what is true.
"""

import time
from collections import Counter
from collections.abc import Sequence
from math import nan

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from services.common.contracts.states import JOB_ACTIVE, HostState, JobState, VmState
from services.common.runtime import metrics
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.vms import Vm
from services.conductor import pace
from services.conductor.metrics import DRIFTED, HOST_CAPACITY, HOST_SILENCE, HOSTS, OUTBOX_OLDEST, OVERDUE
from services.conductor.series import Series

# A host in any of these should speak every few seconds.
SPEAKING = (HostState.UP, HostState.DRAINING, HostState.MAINTENANCE, HostState.DOWN)
RESOURCES = ("vcpus", "memory_mib", "disk_gib")


class Gauges:
    """Sets the gauges anew from time to time."""

    def __init__(self, database: Database):
        self._database = database
        self._series = Series()

    def refresh(self) -> None:
        """Set every gauge; states nobody is in are told as 0."""
        with self._database.read() as session:
            _vms_and_jobs(session)
            pace.refresh(session)
            hosts = session.scalars(select(Host)).all()
        states = Counter(host.state for host in hosts)
        for host_state in HostState:
            HOSTS.labels(host_state).set(states[str(host_state)])
        self._hosts(hosts, time.time())

    def forget(self) -> None:
        """Tell nothing: this conductor doesn't keep house any more."""
        self._series.forget()
        for labelled in (metrics.VMS, metrics.JOBS, HOSTS, OVERDUE):
            labelled.clear()
        for single in (metrics.OUTBOX_DEPTH, OUTBOX_OLDEST, DRIFTED):
            single.set(nan)

    def _hosts(self, hosts: Sequence[Host], now: float) -> None:
        heard = {(h.name,): now - h.heartbeat_at for h in hosts if h.state in SPEAKING and h.heartbeat_at is not None}
        cpu = {(h.name,): h.telemetry.get("cpu_percent", 0) for h in hosts if h.telemetry and h.state != HostState.DOWN}
        room = {(h.name, r): _most(h, r) for h in hosts for r in RESOURCES}
        self._series.set(HOST_SILENCE, {key: max(0.0, seconds) for key, seconds in heard.items()})
        self._series.set(metrics.HOST_CPU, {key: float(percent) for key, percent in cpu.items()})
        self._series.set(HOST_CAPACITY, room)
        self._series.set(metrics.HOST_CLAIMED, {(h.name, r): getattr(h, f"used_{r}") for h in hosts for r in RESOURCES})


def _vms_and_jobs(session: Session) -> None:
    vms = dict(session.execute(select(Vm.state, func.count()).group_by(Vm.state)).all())
    jobs = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).all())
    metrics.OUTBOX_DEPTH.set(outbox.depth(session))
    # A drift that is over is JSON's null, or none at all.
    drifted = select(func.count()).select_from(Vm).where(cast(Vm.drift, Text) != "null", Vm.deleted_at.is_(None))
    DRIFTED.set(session.scalar(drifted) or 0)
    for vm_state in VmState:
        metrics.VMS.labels(vm_state).set(vms.get(vm_state, 0))
    for job_state in JobState:
        if job_state in JOB_ACTIVE:
            metrics.JOBS.labels(job_state).set(jobs.get(job_state, 0))


def _most(host: Host, resource: str) -> float:
    """What the policy that claimed last allows, which may be more than there is; where none ever did, what there is."""
    limit = getattr(host, f"limit_{resource}")
    return float(getattr(host, resource) if limit is None else limit)
