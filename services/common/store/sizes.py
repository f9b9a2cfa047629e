# SPDX-License-Identifier: Apache-2.0
"""A vm's sizes as they are asked for, what of them waits until it is off, and the room that it needs no longer."""

import time
from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.common.contracts.sizes import NOTHING, Sizes
from services.common.store.host_room import give_room_back
from services.common.store.hosts import Claim
from services.common.store.vms import Vm
from services.common.store.waiting_for_room import ring_for_room


def set_sizes(session: Session, vm_id: str, sizes: Sizes, flavor: str) -> None:
    """From now on the vm is asked to be this large."""
    spec = session.execute(select(Vm.spec).where(Vm.id == vm_id)).scalar_one()
    asked = {**spec, "vcpus": sizes.vcpus, "memory_mib": sizes.memory_mib, "flavor": flavor}
    _change(session, vm_id, spec=asked, flavor=flavor)


def set_pending(session: Session, vm_id: str, pending: Mapping[str, int]) -> None:
    """What the vm has until it is off, where that isn't what it is asked to have."""
    _change(session, vm_id, pending=dict(pending) or None)


def lower_claim(session: Session, vm_id: str, keep: Sizes) -> None:
    """Give back what the vm's claim holds beyond `keep`; fine where that is nothing, or it has no claim."""
    query = select(Claim.host_id, Claim.vcpus, Claim.memory_mib).where(Claim.vm_id == vm_id).with_for_update()
    claim = session.execute(query).one_or_none()
    less = Sizes(claim.vcpus, claim.memory_mib).less(keep) if claim else NOTHING
    if claim is None or less == NOTHING:
        return
    change = {"vcpus": Claim.vcpus - less.vcpus, "memory_mib": Claim.memory_mib - less.memory_mib}
    session.execute(update(Claim).where(Claim.vm_id == vm_id).values(change))
    give_room_back(session, claim.host_id, vcpus=less.vcpus, memory_mib=less.memory_mib)
    ring_for_room(session)


def _change(session: Session, vm_id: str, **values: object) -> None:
    change = update(Vm).where(Vm.id == vm_id).values(**values, version=Vm.version + 1, updated_at=time.time())
    session.execute(change)
