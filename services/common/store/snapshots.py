# SPDX-License-Identifier: Apache-2.0
"""Snapshots of vms: a tree a vm, with a mark on the one that its present state comes from."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.sizes import Sizes
from services.common.store.base import Base, Id, JsonDict, Key, Name
from services.common.store.vms import Vm
from services.common.store.volumes import Volume


class Snapshot(Base):
    """What a vm was at one moment. `memory`: it ran, and goes on running when it is reverted to this."""

    __tablename__ = "snapshots"
    __table_args__ = (UniqueConstraint("vm_id", "name"),)
    id: Mapped[Key]
    vm_id: Mapped[Id]
    project_id: Mapped[Id]
    name: Mapped[Name]
    parent_id: Mapped[Id | None]
    current: Mapped[bool] = mapped_column(default=False)
    memory: Mapped[bool] = mapped_column(default=False)
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    hardware: Mapped[JsonDict] = mapped_column(default=dict)  # what was plugged in: a revert can't change that
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]
    taken_at: Mapped[float | None]  # None: it is being taken


@dataclass(frozen=True)
class Wanted:
    """A snapshot that is to be taken, as its job knows it."""

    id: str
    name: str
    memory: bool
    by: str


def hardware_of(session: Session, vm: Vm) -> dict[str, Any]:
    """What is plugged into the vm."""
    volumes = session.scalars(select(Volume.id).where(Volume.vm_id == vm.id).order_by(Volume.id)).all()
    return {"macs": sorted(nic["mac"] for nic in vm.spec["nics"]), "volumes": list(volumes)}


def note(session: Session, vm: Vm, wanted: Wanted) -> Snapshot:
    """Its row, below the one that the vm's present state comes from; the same row when it is noted again."""
    known = session.get(Snapshot, wanted.id)
    if known is not None:
        return known
    parent = session.scalar(select(Snapshot.id).where(Snapshot.vm_id == vm.id, Snapshot.current))
    sizes = Sizes(vm.spec["vcpus"], vm.spec["memory_mib"])
    row = Snapshot(
        id=wanted.id,
        vm_id=vm.id,
        project_id=vm.project_id,
        name=wanted.name,
        parent_id=parent,
        current=False,
        memory=wanted.memory,
        hardware=hardware_of(session, vm),
        created_by=wanted.by,
        created_at=time.time(),
        taken_at=None,
        **asdict(sizes),
    )
    session.add(row)
    session.flush()
    return row


def taken(session: Session, vm_id: str, snapshot_id: str) -> None:
    """It is there, and the vm's present state comes from it."""
    session.execute(update(Snapshot).where(Snapshot.id == snapshot_id).values(taken_at=time.time()))
    come_from(session, vm_id, snapshot_id)


def come_from(session: Session, vm_id: str, snapshot_id: str) -> None:
    """The vm's present state comes from this one."""
    session.execute(update(Snapshot).where(Snapshot.vm_id == vm_id).values(current=Snapshot.id == snapshot_id))


def forget(session: Session, vm_id: str, snapshot_id: str) -> None:
    """It is gone: those below it are below the one above it now. Fine where it was never noted."""
    row = session.get(Snapshot, snapshot_id)
    if row is None:
        return
    parent, current = row.parent_id, row.current
    session.execute(delete(Snapshot).where(Snapshot.id == snapshot_id))
    below = (Snapshot.vm_id == vm_id, Snapshot.parent_id == snapshot_id)
    session.execute(update(Snapshot).where(*below).values(parent_id=parent))
    if current and parent:
        come_from(session, vm_id, parent)


def forget_all(session: Session, vm_id: str) -> None:
    """The vm is gone, and they with it."""
    gone = delete(Snapshot).where(Snapshot.vm_id == vm_id)
    session.execute(gone.execution_options(synchronize_session=False))
