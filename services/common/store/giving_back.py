# SPDX-License-Identifier: Apache-2.0
"""What a vm holds, given back exactly once: its room on a host, its volumes, and its static addresses."""

import time

from sqlalchemy import delete
from sqlalchemy.orm import Session

from services.common.store.catalogue import AddressLease
from services.common.store.datastores import give_back_on_datastore
from services.common.store.host_room import give_room_back
from services.common.store.hosts import Claim
from services.common.store.snapshots import forget_all
from services.common.store.volumes import leave_volumes
from services.common.store.waiting_for_room import ring_for_room


def give_back(session: Session, vm_id: str) -> bool:
    """Give back exactly what the vm's claim holds, its addresses, and the volumes that don't outlive it.

    False where it has no claim (any more). Vms that wait for room are looked at again.
    """
    leave_volumes(session, vm_id, time.time())  # first: whoever locks a volume and its host locks them in this order
    forget_all(session, vm_id)
    held = give_up_claim(session, vm_id)
    if held:
        ring_for_room(session)
    leases = delete(AddressLease).where(AddressLease.vm_id == vm_id)
    session.execute(leases.execution_options(synchronize_session=False))
    return held


def give_up_claim(session: Session, vm_id: str) -> bool:
    """Give back what the vm's claim holds, and the places its groups had to themselves; False where it has none."""
    claim = session.execute(
        delete(Claim)
        .where(Claim.vm_id == vm_id)
        .returning(Claim.host_id, Claim.vcpus, Claim.memory_mib, Claim.disk_gib, Claim.datastores)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if claim is not None:
        held = {"vcpus": claim.vcpus, "memory_mib": claim.memory_mib, "disk_gib": claim.disk_gib}
        give_room_back(session, claim.host_id, **held)
        for name, gib in sorted(claim.datastores.items()):
            give_back_on_datastore(session, claim.host_id, name, gib)
    return claim is not None
