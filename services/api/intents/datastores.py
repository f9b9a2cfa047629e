# SPDX-License-Identifier: Apache-2.0
"""Datastores that are asked for by name: whether the vm's host, or any that it may go to, has one."""

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from services.common.contracts.datastores import DatastoreKind
from services.common.contracts.errors import Conflict, Invalid, Problem, Unsupported
from services.common.store.models import Host, HostDatastore, Snapshot, Vm, Volume

_LIES_ON = and_(HostDatastore.host_id == Volume.host_id, HostDatastore.name == Volume.datastore)
_WITHOUT_SNAPSHOTS = HostDatastore.kind == DatastoreKind.LVM


def need_datastore(db: Session, name: str, pointer: str, *, host: str = "", driver: str = "") -> None:
    """Raise Invalid with the names there are, unless this host (or one of this driver, or any) has the datastore."""
    which = [column == value for column, value in ((Host.id, host), (Host.driver, driver)) if value]
    there = select(HostDatastore.name).join(Host, Host.id == HostDatastore.host_id).where(*which)
    names = sorted(set(db.scalars(there.where(HostDatastore.size_gib > 0))))
    if name in names:
        return
    where = "the vm's host has" if host else f"hosts of driver {driver!r} have" if driver else "the hosts have"
    detail = f"{where} no datastore {name!r}; there {_are(names)}"
    raise Invalid(detail, [Problem(pointer, detail, "name one of these, or leave it out for the host's own disk")])


def need_growing(db: Session, volume: Volume) -> None:
    """Raise Unsupported where what lies on the volume's datastore can't be made larger."""
    row = db.get(HostDatastore, (volume.host_id, volume.datastore)) if volume.datastore else None
    if row is None or row.grows:
        return
    detail = f"volume {volume.name!r} lies on datastore {row.name!r} of kind {row.kind}, where none can be made larger"
    fix = "make a larger one, and have the guest copy what is on it"
    told = {"capability": f"{row.kind}-grow", "driver": "", "drivers": [], "hosts": []}
    raise Unsupported(detail, [Problem("/size_gib", detail, fix)], told)


def refuse_snapshot(db: Session, vm: Vm) -> None:
    """Raise Conflict where the vm has a volume that no snapshot can be taken beside."""
    of_it = select(Volume.name, Volume.datastore).join(HostDatastore, _LIES_ON)
    found = db.execute(of_it.where(Volume.vm_id == vm.id, _WITHOUT_SNAPSHOTS).limit(1)).first()
    if found is not None:
        raise Conflict(
            f"volume {found.name!r} of vm {vm.name!r} lies on datastore {found.datastore!r}, beside which no snapshot"
            " can be taken; take it off first"
        )


def refuse_beside_snapshots(db: Session, vm: Vm, volume: Volume) -> None:
    """Raise Conflict where the volume would lie in the way of snapshots that the vm has."""
    row = db.get(HostDatastore, (volume.host_id, volume.datastore))
    if row is None or row.kind != DatastoreKind.LVM:
        return
    if db.scalar(select(Snapshot.id).where(Snapshot.vm_id == vm.id).limit(1)) is not None:
        detail = f"vm {vm.name!r} has snapshots, beside which it can have no volume on datastore {row.name!r}"
        raise Conflict(detail, [Problem("/datastore", detail, "remove the snapshots, or name another datastore")])


def _are(names: list[str]) -> str:
    return f"are {', '.join(map(repr, names))}" if names else "is none"
