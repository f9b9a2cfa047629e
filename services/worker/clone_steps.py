# SPDX-License-Identifier: Apache-2.0
"""The step `clone`: a host copies a disk of a vm that is off, and is kept off until the copy is whole."""

from collections.abc import Mapping
from dataclasses import replace

from services.common.contracts.commands import ClonePlan
from services.common.contracts.errors import Conflict
from services.common.contracts.journal import Handler, Outcome, Park, StepContext
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.states import VmState
from services.common.store.database import Database
from services.common.store.vms import Vm


class CloneSteps:
    """Handlers of a clone's flow; the job's parameter `source` is the vm that is copied."""

    def __init__(self, database: Database):
        self._database = database

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {"clone": self.clone}

    def clone(self, context: StepContext) -> Outcome:
        """Nothing is done to the source while this vm is being made; a job that is tried again may find it changed."""
        job, host = context.job, host_of(context.job)
        with self._database.read() as session:
            source = session.get(Vm, str(job.params["source"]))
            if source is None or source.deleted_at is not None:
                raise Conflict("the vm to be copied is not there any more")
            if source.state != VmState.STOPPED or source.job_id:
                raise Conflict(f"vm {source.name!r}, which is to be copied, is {source.state}; stop it, then retry")
            if source.host_id != host:
                raise Conflict(f"vm {source.name!r}, which is to be copied, is on another host")
            plan = ClonePlan(source.id, context.vm.spec.disk_gib, bool(job.params.get("linked")))
        return Park(replace(command_for(job, host), clone=plan))
