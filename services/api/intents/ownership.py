# SPDX-License-Identifier: Apache-2.0
"""Who owns what, as the tables say, and what they hold for nobody: read for the audit."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.common.contracts.orphans import Held, Known, KnownVm, Orphan
from services.common.contracts.survey import Found, FoundKind
from services.common.store.datastores import datastores_of
from services.common.store.models import AddressLease, Claim, Host, Network, Snapshot, Vm, Volume

ROOM = "room"
_AT_ONCE = 500  # ids in one question


def known(session: Session, found: Sequence[Found], asked_at: float) -> Known:
    """Everything that may own what was found, and all that rows hold."""
    held = tuple(_held(session))
    vms = _vms(session)
    named = {one.vm for one in found} | {row.vm for row in held}
    gone = sorted(named - vms.keys() - {""})
    for n in range(0, len(gone), _AT_ONCE):
        vms |= _vms(session, gone[n : n + _AT_ONCE])
    networks = frozenset(session.scalars(select(Network.id)))
    # One that was removed lately may have been there when its host was asked.
    there = Volume.deleted_at.is_(None) | (Volume.deleted_at > asked_at)
    volumes = frozenset(session.scalars(select(Volume.id).where(there)))
    snapshots = frozenset(session.scalars(select(Snapshot.id)))
    things = {FoundKind.NETWORK: networks, FoundKind.VOLUME: volumes, FoundKind.SNAPSHOT: snapshots}
    return Known(vms, held, things)


def lost_room(session: Session) -> Iterator[Orphan]:
    """Hosts that count more, or less, as used than their claims and volumes add up to."""
    sums = (func.sum(Claim.vcpus), func.sum(Claim.memory_mib), func.sum(Claim.disk_gib))
    claimed = {row[0]: row[1:] for row in session.execute(select(Claim.host_id, *sums).group_by(Claim.host_id))}
    yield from _lost_on_datastores(session)
    volumes = dict(_held_by_volumes(session))
    counted = select(Host.id, Host.used_vcpus, Host.used_memory_mib, Host.used_disk_gib)
    for host_id, *used in session.execute(counted):
        holds = [int(amount or 0) for amount in claimed.get(host_id, (0, 0, 0))]
        holds[2] += volumes.get(host_id, 0)
        for name, counts, claims in zip(("vcpus", "memory_mib", "disk_gib"), used, holds, strict=True):
            if counts != claims:
                yield Orphan(ROOM, name, host_id, "", f"{counts} are counted as used, claims and volumes hold {claims}")


def _held_by_volumes(session: Session) -> Iterator[tuple[str, int]]:
    sums = select(Volume.host_id, func.sum(Volume.held_gib)).where(Volume.host_id.is_not(None), Volume.datastore == "")
    for host_id, gib in session.execute(sums.group_by(Volume.host_id)):
        yield str(host_id), int(gib or 0)


def _lost_on_datastores(session: Session) -> Iterator[Orphan]:
    """The same of hosts' datastores."""
    holds: Counter[tuple[str, str]] = Counter()
    on_one = select(Volume.host_id, Volume.datastore, Volume.held_gib).where(
        Volume.datastore != "", Volume.held_gib > 0
    )
    for host_id, name, gib in session.execute(on_one):
        holds[str(host_id), name] += gib
    for host_id, claimed in session.execute(select(Claim.host_id, Claim.datastores)):
        for name, gib in claimed.items():
            holds[host_id, name] += gib
    rows = (row for each in datastores_of(session).values() for row in each)
    counts = {(row.host_id, row.name): row.used_gib for row in rows}
    for host_id, name in sorted(holds.keys() | counts.keys()):
        used, held = counts.get((host_id, name), 0), holds[host_id, name]
        if used != held:
            reason = f"{used} GiB are counted as used on it, claims and volumes hold {held}"
            yield Orphan(ROOM, f"datastore {name}", host_id, "", reason)


def _vms(session: Session, ids: Sequence[str] = ()) -> dict[str, KnownVm]:
    """Those that aren't deleted; with `ids` these, whatever became of them."""
    which = Vm.id.in_(ids) if ids else Vm.deleted_at.is_(None)
    rows = session.execute(select(Vm.id, Vm.name, Vm.state, Vm.host_id, Vm.job_id, Vm.deleted_at).where(which))
    return {r.id: KnownVm(r.name, r.state, r.host_id or "", r.job_id is not None, r.deleted_at) for r in rows}


def _held(session: Session) -> Iterator[Held]:
    for claim in session.execute(select(Claim.vm_id, Claim.host_id, Claim.vcpus, Claim.memory_mib)):
        yield Held("claim", f"{claim.vcpus} vCPU, {claim.memory_mib} MiB", claim.vm_id, claim.host_id)
    plugged = select(Volume.name, Volume.vm_id, Volume.host_id).where(Volume.deleted_at.is_(None))
    for volume in session.execute(plugged.where(Volume.vm_id.is_not(None))):
        yield Held(FoundKind.VOLUME, volume.name, volume.vm_id, volume.host_id or "")
    for snapshot in session.execute(select(Snapshot.name, Snapshot.vm_id)):
        yield Held(FoundKind.SNAPSHOT, snapshot.name, snapshot.vm_id)
    for lease in session.execute(select(AddressLease.vm_id, AddressLease.address)):
        yield Held("address", lease.address, lease.vm_id)
