# SPDX-License-Identifier: Apache-2.0
"""Volumes: disks with a life of their own, and the room they hold on their hosts."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, ForeignKey, Index, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from services.common.contracts.commands import VolumePlan
from services.common.contracts.data_disks import DataDisks
from services.common.contracts.errors import Conflict
from services.common.contracts.states import VOLUME_MOVES, VolumeState, moved
from services.common.store.base import Base, Id, Key, Name, Word
from services.common.store.datastores import free_on_datastore, give_back_on_datastore, take_on_datastore
from services.common.store.host_room import give_room_back
from services.common.store.hosts import Claim, Host
from services.common.store.waiting_for_room import ring_for_room


class Volume(Base):
    """A volume. `held_gib` is what it holds where it lies, changed only together with what is used there.

    That is its host's own disk (`hosts.used_disk_gib`), or one of its datastores (`host_datastores.used_gib`).

    Names are unique in a project among those that aren't deleted. `wanted_gib` is its size once its job is done.
    One that is made with its vm has no host, and its room is part of the vm's claim, until the vm is there.
    """

    __tablename__ = "volumes"
    __table_args__ = (
        Index(
            "uq_volumes_project_name",
            "project_id",
            "name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_volumes_vm_id", "vm_id"),
        Index("ix_volumes_host_id", "host_id"),
    )
    id: Mapped[Key]
    project_id: Mapped[Id]
    name: Mapped[Name]
    state: Mapped[Word]  # contracts.states.VolumeState
    size_gib: Mapped[int]
    wanted_gib: Mapped[int]
    held_gib: Mapped[int] = mapped_column(default=0)
    host_id: Mapped[str | None] = mapped_column(ForeignKey("hosts.id"))
    datastore: Mapped[Name] = mapped_column(default="", server_default="")  # of its host; "" the host's own disk
    vm_id: Mapped[Id | None]
    keep: Mapped[bool] = mapped_column(default=False)  # whether it outlives its vm
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]
    updated_at: Mapped[float]
    deleted_at: Mapped[float | None]


def plan_of(volume: Volume, keep: bool = True) -> VolumePlan:
    """What its host is told of it."""
    return VolumePlan(volume.id, volume.wanted_gib, keep, volume.datastore)


def locked_volume(session: Session, volume_id: str) -> Volume:
    """The row, with nobody else changing it meanwhile."""
    query = select(Volume).where(Volume.id == volume_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def hold_room(session: Session, volume: Volume, gib: int) -> bool:
    """Have the volume hold this much where it lies; False (and nothing done) where there isn't the room."""
    more = gib - volume.held_gib
    if more < 0:
        _give_back(session, volume, -more)
        ring_for_room(session)
    elif more and not _take(session, volume, more):
        return False
    volume.held_gib = gib
    session.flush()
    return True


def take_over_room(session: Session, volume: Volume, host_id: str) -> None:
    """The volume, made with its vm, holds what the vm's claim held for it; its host counts as much as before."""
    mine = (Claim.vm_id == volume.vm_id, Claim.host_id == host_id)
    claim = session.scalars(
        select(Claim).where(*mine).with_for_update().execution_options(populate_existing=True)
    ).first()
    held = claim.datastores.get(volume.datastore, 0) if claim is not None and volume.datastore else None
    if claim is None or (held is not None and held < volume.wanted_gib):
        raise Conflict(f"the vm of volume {volume.name!r} holds no room on its host")
    if held is None:
        claim.disk_gib -= volume.wanted_gib
    else:
        left = {**claim.datastores, volume.datastore: held - volume.wanted_gib}
        claim.datastores = {name: gib for name, gib in left.items() if gib}
    volume.host_id, volume.held_gib, volume.size_gib = host_id, volume.wanted_gib, volume.wanted_gib
    session.flush()


def take_up_again(session: Session, vm_id: str, disks: DataDisks, now: float) -> None:
    """For a vm whose making is tried anew: its volumes are its own again. Conflict where that can't be any more."""
    for volume_id in sorted((*disks.new, *disks.kept)):
        volume = locked_volume(session, volume_id)
        if volume.vm_id not in (None, vm_id):
            raise Conflict(f"volume {volume.name!r} was attached to another vm meanwhile")
        if volume.state == VolumeState.DELETED and (volume_id in disks.kept or name_taken(session, volume)):
            gone = "is deleted" if volume_id in disks.kept else "has given its name to another one"
            raise Conflict(f"volume {volume.name!r} {gone} by now; make the vm anew")
        if volume.state != VolumeState.ATTACHING:
            move_volume(volume, VolumeState.ATTACHING, now)
        volume.vm_id = vm_id


def name_taken(session: Session, volume: Volume) -> bool:
    """Whether another volume of its project, which isn't deleted, has its name."""
    same = (Volume.project_id == volume.project_id, Volume.name == volume.name, Volume.deleted_at.is_(None))
    return session.scalar(select(Volume.id).where(*same, Volume.id != volume.id).limit(1)) is not None


def volumes_of(session: Session, vm_id: str) -> Sequence[Volume]:
    """All that are a vm's, oldest first."""
    return session.scalars(select(Volume).where(Volume.vm_id == vm_id).order_by(Volume.id)).all()


def move_volume(volume: Volume, state: VolumeState, now: float) -> None:
    """Give it another state; IllegalMove where the table has no such move."""
    volume.state = str(moved(VOLUME_MOVES, VolumeState(volume.state), state))
    volume.deleted_at = now if state == VolumeState.DELETED else None
    volume.updated_at = now
    if state in (VolumeState.DETACHED, VolumeState.DELETED):
        volume.vm_id = None


def free_room(session: Session, host_id: str, datastore: str = "") -> int:
    """How much may still be claimed of a host's own disk, by the policy that claimed last, or of a datastore."""
    if datastore:
        return free_on_datastore(session, host_id, datastore)
    return session.scalar(select(_limit() - Host.used_disk_gib).where(Host.id == host_id)) or 0


def leave_volumes(session: Session, vm_id: str, now: float) -> None:
    """The vm is no more: those that outlive it are detached, the others are gone with it and give back their room."""
    query = select(Volume).where(Volume.vm_id == vm_id).order_by(Volume.id).with_for_update()
    for volume in session.scalars(query.execution_options(populate_existing=True)).all():
        if volume.keep and volume.held_gib:
            move_volume(volume, VolumeState.DETACHED, now)
        else:
            hold_room(session, volume, 0)
            move_volume(volume, VolumeState.DELETED, now)
    session.flush()


def volumes_gib(session: Session, project_id: str) -> int:
    """What a project's volumes add up to."""
    mine = (Volume.project_id == project_id, Volume.deleted_at.is_(None))
    return session.scalar(select(func.coalesce(func.sum(Volume.wanted_gib), 0)).where(*mine)) or 0


def _give_back(session: Session, volume: Volume, gib: int) -> None:
    if volume.datastore:
        give_back_on_datastore(session, volume.host_id or "", volume.datastore, gib)
    else:
        give_room_back(session, volume.host_id or "", disk_gib=gib)


def _take(session: Session, volume: Volume, gib: int) -> bool:
    if volume.datastore:
        return take_on_datastore(session, volume.host_id or "", volume.datastore, gib)
    roomy = (
        update(Host).where(Host.id == (volume.host_id or ""), Host.used_disk_gib + gib <= _limit()).returning(Host.id)
    )
    values = {"used_disk_gib": Host.used_disk_gib + gib, "generation": Host.generation + 1}
    return session.execute(roomy.values(values).execution_options(synchronize_session=False)).first() is not None


def _limit() -> ColumnElement[int]:
    column: InstrumentedAttribute[int | None] = Host.limit_disk_gib
    return func.coalesce(column, Host.disk_gib)
