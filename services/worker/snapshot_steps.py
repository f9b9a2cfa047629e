# SPDX-License-Identifier: Apache-2.0
"""The steps of snapshots: the row before anything is taken, the command to the host, and what became of it."""

from collections.abc import Mapping
from dataclasses import asdict, replace

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.commands import SnapshotPlan
from services.common.contracts.errors import Conflict
from services.common.contracts.journal import Done, Handler, JobView, Outcome, Park, StepContext
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.sizes import Sizes, waiting
from services.common.contracts.states import VmState
from services.common.store.database import Database
from services.common.store.sizes import set_pending
from services.common.store.snapshots import Snapshot, Wanted, come_from, forget, note, taken
from services.common.store.vms import Vm

_STATE_OF = {"on": VmState.READY_UNVERIFIED, "paused": VmState.SUSPENDED}


class SnapshotSteps:
    """Handlers that need to read which snapshots there are."""

    def __init__(self, database: Database):
        self._database = database

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {
            "note-snapshot": self.note,
            "snapshot": order,
            "keep-snapshot": keep,
            "drop-snapshot": order,
            "forget-snapshot": drop,
            "look-away": look_away,
            "revert": order,
            "reverted": reverted,
        }

    def note(self, context: StepContext) -> Outcome:
        """Have its row written, which a job that is tried again has lost."""
        wanted = wanted_of(context.job)
        same = (Snapshot.vm_id == context.vm.id, Snapshot.name == wanted.name, Snapshot.id != wanted.id)
        with self._database.read() as session:
            if session.scalar(select(Snapshot.id).where(*same)) is not None:
                raise Conflict(f"the vm has another snapshot {wanted.name!r} meanwhile")

        def write(session: Session) -> None:
            note(session, session.get_one(Vm, context.vm.id), wanted)

        return Done(write=write)


def order(context: StepContext) -> Outcome:
    """Tell the host which snapshot is meant, and what the vm is to be afterwards."""
    job, spec = context.job, context.vm.spec
    wanted = wanted_of(job)
    command = command_for(job, host_of(job))
    sizes = Sizes(spec.vcpus, spec.memory_mib)
    return Park(replace(command, snapshot=SnapshotPlan(wanted.id, wanted.memory), sizes=sizes))


def keep(context: StepContext) -> Outcome:
    """Write down that it is there."""
    snapshot = wanted_of(context.job).id
    return Done({"snapshot": snapshot}, write=lambda session: taken(session, context.vm.id, snapshot))


def drop(context: StepContext) -> Outcome:
    """Write down that it is gone."""
    snapshot = wanted_of(context.job).id
    return Done({"snapshot": snapshot}, write=lambda session: forget(session, context.vm.id, snapshot))


def look_away(context: StepContext) -> Outcome:
    """What the guest has reported so far holds no longer: it will be another one."""

    def write(session: Session) -> None:
        session.execute(update(Vm).where(Vm.id == context.vm.id).values(observed=None))

    return Done(write=write)


def reverted(context: StepContext) -> Outcome:
    """Write down where the vm's state comes from now, and what of its sizes waits until it is off."""
    vm, told = context.vm, context.job.facts["revert"]
    snapshot, power = wanted_of(context.job).id, str(told["power"])
    now = Sizes(int(told["vcpus"]), int(told["memory_mib"]))

    def write(session: Session) -> None:
        come_from(session, vm.id, snapshot)
        set_pending(session, vm.id, waiting(now, Sizes(vm.spec.vcpus, vm.spec.memory_mib)))

    return Done({"snapshot": snapshot, "power": power}, _STATE_OF.get(power, VmState.STOPPED), write)


def wanted_of(job: JobView) -> Wanted:
    """The snapshot that a job is about."""
    return Wanted(**{key: job.params[key] for key in asdict(Wanted("", "", False, ""))})
