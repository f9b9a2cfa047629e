# SPDX-License-Identifier: Apache-2.0
"""The steps of volumes: what is booked for one is held first, the host does its part, then the books are settled."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import Conflict, HostFailed, StepFailed, TryAgain
from services.common.contracts.ids import derived_id
from services.common.contracts.journal import Done, Handler, JobView, Outcome, Park, StepContext
from services.common.contracts.orders import command_for, host_of
from services.common.contracts.states import VolumeState
from services.common.store.database import Database
from services.common.store.hosts import Installation
from services.common.store.volumes import (
    Volume,
    free_room,
    hold_room,
    locked_volume,
    move_volume,
    name_taken,
    plan_of,
    take_over_room,
    volumes_of,
)

S = VolumeState
_DURING: Mapping[str, VolumeState] = {
    "vm.attach-volume": S.ATTACHING,
    "vm.grow-volume": S.GROWING,
    "vm.detach-volume": S.DETACHING,
    "volume.delete": S.DELETING,
}
_CREATE = "vm.create"
_NEEDS_ROOM = ("vm.attach-volume", "vm.grow-volume")


class VolumeSteps:
    """Handlers of the flows of volumes; the job's parameter `volume` says which."""

    def __init__(self, database: Database):
        self._database = database

    def handlers(self) -> Mapping[str, Handler]:
        """Step name to handler."""
        return {
            "hold-volume": self.hold,
            "attach-volume": self.attach,
            "grow-volume": self.at_host,
            "detach-volume": self.detach,
            "take-off-volume": self.take_off,
            "drop-volume": self.drop,
            "settle-volume": self.settle,
            "let-go-volume": self.let_go,
        }

    def hold(self, context: StepContext) -> Outcome:
        """Hold the room it will need on its host. Raises Conflict where that is more than there is."""
        job = context.job
        with self._database.read() as session:
            volume = session.get_one(Volume, job.params["volume"])
            more = _size(job, volume) - volume.held_gib
            free = free_room(session, volume.host_id or "", volume.datastore)
        if job.kind in _NEEDS_ROOM and more > free:
            where = f"on datastore {volume.datastore!r}" if volume.datastore else "of disk"
            raise Conflict(
                f"volume {volume.name!r} needs {more} GiB more; its host has {max(0, free)} GiB {where} left"
            )

        def write(session: Session) -> None:
            held = locked_volume(session, volume.id)
            _take_up(session, job, held, context.now)
            if job.kind in _NEEDS_ROOM and not hold_room(session, held, held.wanted_gib):
                raise TryAgain("others took the room on the host")

        return Done({"volume": volume.id, "size_gib": _size(job, volume)}, write=write)

    def attach(self, context: StepContext) -> Outcome:
        """Plug it in; where the vm is being made, all that it is made with, before it begins to run."""
        return self._all_told(context) if context.job.kind == _CREATE else self.at_host(context)

    def at_host(self, context: StepContext) -> Outcome:
        """Have the host do it; what is on it stays."""
        return self._told(context, keep=True)

    def detach(self, context: StepContext) -> Outcome:
        """Take it off; it goes with all that is on it unless it is kept."""
        return self._told(context, keep=bool(context.job.params["keep"]))

    def take_off(self, context: StepContext) -> Outcome:
        """Undo an attach: what it made goes, what was there before stays."""
        return self._told(context, keep=not context.job.params["new"])

    def drop(self, context: StepContext) -> Outcome:
        """Remove one that no vm has."""
        with self._database.read() as session:
            volume = session.get_one(Volume, context.job.params["volume"])
            platform = session.scalars(select(Installation.id)).one()
        return Park(_drop_command(context, volume, platform))

    def settle(self, context: StepContext) -> Outcome:
        """The host has done it: the books say so."""
        job = context.job
        if job.kind == _CREATE:
            return Done(write=lambda session: _settled_with(session, host_of(job), context))
        return self._written(context, _settled)

    def let_go(self, context: StepContext) -> Outcome:
        """It could not be done: the books are as they were before."""
        return self._written(context, _as_before)

    def _told(self, context: StepContext, keep: bool) -> Outcome:
        job = context.job
        with self._database.read() as session:
            plan = plan_of(session.get_one(Volume, job.params["volume"]), keep)
        return Park(replace(command_for(job, host_of(job)), volumes=(plan,)))

    def _all_told(self, context: StepContext) -> Outcome:
        job, host = context.job, host_of(context.job)
        with self._database.read() as session:
            found = volumes_of(session, context.vm.id)
        for volume in found:
            # A host makes what it hasn't got: elsewhere it would be a new, empty one.
            if volume.held_gib and volume.host_id != host:
                raise StepFailed(f"volume {volume.name!r} lies on another host than the vm")
        return Park(replace(command_for(job, host), volumes=tuple(plan_of(volume) for volume in found)))

    def _written(self, context: StepContext, change: Callable[[Session, JobView, Volume, float], None]) -> Outcome:
        job = context.job
        return Done(write=lambda s: change(s, job, locked_volume(s, job.params["volume"]), context.now))


def _size(job: JobView, volume: Volume) -> int:
    return int(job.params.get("size_gib", volume.size_gib))


def _take_up(session: Session, job: JobView, volume: Volume, now: float) -> None:
    """As the request left it; for a job that is tried again, as the request would."""
    during, vm_id = _DURING[job.kind], job.vm.id if job.vm else None
    if volume.state == S.DELETED and name_taken(session, volume):
        raise Conflict(f"another volume is called {volume.name!r} by now; attach it anew")
    if volume.vm_id not in (None, vm_id):
        raise Conflict(f"volume {volume.name!r} was attached to another vm meanwhile")
    move_volume(volume, during, now)
    volume.vm_id = vm_id
    volume.wanted_gib = _size(job, volume)


def _settled(session: Session, job: JobView, volume: Volume, now: float) -> None:
    if job.kind in _NEEDS_ROOM:
        volume.size_gib = volume.wanted_gib
        move_volume(volume, S.ATTACHED, now)
    elif job.params.get("keep"):
        move_volume(volume, S.DETACHED, now)
    else:
        hold_room(session, volume, 0)
        move_volume(volume, S.DELETED, now)


def _settled_with(session: Session, host: str, context: StepContext) -> None:
    """The vm is there: what it was made with is its own."""
    for found in volumes_of(session, context.vm.id):
        volume = locked_volume(session, found.id)
        if volume.state == S.ATTACHING:
            if not volume.held_gib:
                take_over_room(session, volume, host)
            move_volume(volume, S.ATTACHED, context.now)


def _as_before(session: Session, job: JobView, volume: Volume, now: float) -> None:
    volume.wanted_gib = volume.size_gib
    if job.kind == "vm.attach-volume" and job.params["new"]:
        hold_room(session, volume, 0)
        move_volume(volume, S.DELETED, now)
    elif job.kind in ("vm.attach-volume", "volume.delete"):
        move_volume(volume, S.DETACHED, now)
    else:
        # A host that has refused has left it as it was. One that was told, and not heard any more, may have made it
        # larger: what it may take stays held until it is grown again or goes.
        if (job.error or {}).get("code") == HostFailed.code:
            hold_room(session, volume, volume.size_gib)
        move_volume(volume, S.ATTACHED, now)


def _drop_command(context: StepContext, volume: Volume, platform: str) -> Command:
    return Command(
        id=derived_id(context.job.id, context.job.step, context.job.fence),
        verb=Verb.DROP_VOLUME,
        host=volume.host_id or "",
        vm=volume.id,
        job=context.job.id,
        step=context.job.step,
        fence=int(context.now * 1000),
        platform=platform,
        timeout_s=120.0,
        volumes=(plan_of(volume, keep=False),),
    )
