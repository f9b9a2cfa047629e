# SPDX-License-Identifier: Apache-2.0
"""Prometheus gauges of watts: every host's, every project's, and those of the thirstiest vms.

A series for each of a hundred thousand vms would cost Prometheus more than it tells anybody: beyond MOST_VMS the rest
is one sum. What has gone is taken out, so that nothing is told for ever of a host that fell silent.
"""

from heapq import nlargest
from math import nan

from sqlalchemy import select

from services.common.store.database import Database
from services.common.store.host_power import host_powers
from services.common.store.vms import Vm
from services.conductor import metrics
from services.conductor.series import Series

MOST_VMS = 1000


class PowerGauges:
    """Sets the gauges anew from time to time."""

    def __init__(self, database: Database, most_vms: int = MOST_VMS):
        self._database = database
        self._most = most_vms
        self._series = Series()

    def refresh(self, now: float) -> None:
        """One pass."""
        with self._database.read() as session:
            powers = host_powers(session, now)
            placed = session.execute(select(Vm.id, Vm.project_id).where(Vm.host_id.is_not(None)))
            owners = {vm_id: project for vm_id, project in placed}
        watts = {(vm, owners.get(vm, "")): s.watts for p in powers.values() for vm, s in p.shares.items()}
        thirstiest = dict(nlargest(self._most, watts.items(), key=lambda item: item[1]))
        projects: dict[tuple[str, ...], float] = {}
        for (_, project), drawn in watts.items():
            projects[(project,)] = projects.get((project,), 0.0) + drawn
        hosts = {(p.name, p.source): p.watts for p in powers.values() if p.watts is not None}
        self._series.set(metrics.HOST_WATTS, hosts)
        self._series.set(metrics.VM_WATTS, thirstiest)
        self._series.set(metrics.PROJECT_WATTS, projects)
        metrics.OTHER_VM_WATTS.set(sum(watts.values()) - sum(thirstiest.values()))

    def forget(self) -> None:
        """Tell nothing: another conductor does."""
        self._series.forget()
        metrics.OTHER_VM_WATTS.set(nan)
