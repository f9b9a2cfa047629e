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
from services.common.store.host_room import give_room_back
from services.common.store.hosts import Claim, Host
from services.common.store.waiting_for_room import ring_for_room


class Volume(Base):
    """A volume. `held_gib` is what it holds of its host's disk, changed only together with `hosts.used_disk_gib`.

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
    vm_id: Mapped[Id | None]
    keep: Mapped[bool] = mapped_column(default=False)  # whether it outlives its vm
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]
    updated_at: Mapped[float]
    deleted_at: Mapped[float | None]


def plan_of(volume: Volume, keep: bool = True) -> VolumePlan:
    """What its host is told of it."""
    return VolumePlan(volume.id, volume.wanted_gib, keep)


def locked_volume(session: Session, volume_id: str) -> Volume:
    """The row, with nobody else changing it meanwhile."""
    query = select(Volume).where(Volume.id == volume_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def hold_room(session: Session, volume: Volume, gib: int) -> bool:
    """Have the volume hold this much of its host's disk; False (and nothing done) where there isn't the room."""
    more, host = gib - volume.held_gib, volume.host_id or ""
    if more < 0:
        give_room_back(session, host, disk_gib=-more)
        ring_for_room(session)
    elif more and not _take(session, host, more):
        return False
    volume.held_gib = gib
    session.flush()
    return True


def take_over_room(session: Session, volume: Volume, host_id: str) -> None:
    """The volume, made with its vm, holds what the vm's claim held for it; its host counts as much as before."""
    mine = update(Claim).where(Claim.vm_id == volume.vm_id, Claim.host_id == host_id)
    less = mine.values(disk_gib=Claim.disk_gib - volume.wanted_gib).returning(Claim.vm_id)
    if session.execute(less.execution_options(synchronize_session=False)).first() is None:
        raise Conflict(f"the vm of volume {volume.name!r} holds no room on its host")
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


def free_disk(session: Session, host_id: str) -> int:
    """How much of a host's disk vms and volumes may still claim, by the policy that claimed last."""
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


def _take(session: Session, host_id: str, gib: int) -> bool:
    roomy = update(Host).where(Host.id == host_id, Host.used_disk_gib + gib <= _limit()).returning(Host.id)
    values = {"used_disk_gib": Host.used_disk_gib + gib, "generation": Host.generation + 1}
    return session.execute(roomy.values(values).execution_options(synchronize_session=False)).first() is not None


def _limit() -> ColumnElement[int]:
    column: InstrumentedAttribute[int | None] = Host.limit_disk_gib
    return func.coalesce(column, Host.disk_gib)
