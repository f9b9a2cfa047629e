# SPDX-License-Identifier: Apache-2.0
"""Prometheus gauges of what the database holds, refreshed every few seconds."""

from collections import Counter

from sqlalchemy import func, select

from services.common.contracts.states import JOB_ACTIVE, HostState, JobState, VmState
from services.common.runtime import metrics
from services.common.store import outbox
from services.common.store.database import Database
from services.common.store.hosts import Host
from services.common.store.jobs import Job
from services.common.store.vms import Vm
from services.conductor.metrics import HOSTS


def refresh(database: Database) -> None:
    """Set every gauge; states nobody is in are told as 0."""
    with database.read() as session:
        vms = dict(session.execute(select(Vm.state, func.count()).group_by(Vm.state)).tuples().all())
        jobs = dict(session.execute(select(Job.state, func.count()).group_by(Job.state)).tuples().all())
        hosts = session.scalars(select(Host)).all()
        metrics.OUTBOX_DEPTH.set(outbox.depth(session))
    for vm_state in VmState:
        metrics.VMS.labels(vm_state).set(vms.get(vm_state, 0))
    for job_state in JobState:
        if job_state in JOB_ACTIVE:
            metrics.JOBS.labels(job_state).set(jobs.get(job_state, 0))
    states = Counter(host.state for host in hosts)
    for host_state in HostState:
        HOSTS.labels(host_state).set(states[str(host_state)])
    for host in hosts:
        _host(host)


def _host(host: Host) -> None:
    for resource, used in (
        ("vcpus", host.used_vcpus),
        ("memory_mib", host.used_memory_mib),
        ("disk_gib", host.used_disk_gib),
    ):
        metrics.HOST_CLAIMED.labels(host.name, resource).set(used)
    if host.telemetry and host.state != HostState.DOWN:
        metrics.HOST_CPU.labels(host.name).set(float(host.telemetry.get("cpu_percent", 0)))
