# SPDX-License-Identifier: Apache-2.0
"""What a vm holds, given back exactly once: its room on a host, its volumes, and its static addresses."""

import time

from sqlalchemy import ColumnElement, case, delete, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.common.store.catalogue import AddressLease
from services.common.store.hosts import Claim, Host
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
        .returning(Claim.host_id, Claim.vcpus, Claim.memory_mib, Claim.disk_gib)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if claim is not None:
        session.execute(
            update(Host)
            .where(Host.id == claim.host_id)
            .values(
                used_vcpus=_less(Host.used_vcpus, claim.vcpus),
                used_memory_mib=_less(Host.used_memory_mib, claim.memory_mib),
                used_disk_gib=_less(Host.used_disk_gib, claim.disk_gib),
                generation=Host.generation + 1,
            )
            .execution_options(synchronize_session=False)
        )
    return claim is not None


def _less(column: InstrumentedAttribute[int], amount: int) -> ColumnElement[int]:
    # A broken count must not keep a vm from being deleted: stop at nothing.
    return case((column > amount, column - amount), else_=0)
