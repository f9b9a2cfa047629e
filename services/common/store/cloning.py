# SPDX-License-Identifier: Apache-2.0
"""A vm whose disk is being copied holds still: nothing is done to it until its clones are made, or given up."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.errors import Conflict
from services.common.contracts.states import VmState
from services.common.store.vms import Vm


def refuse_while_copied(session: Session, vm: Vm) -> None:
    """Raise Conflict that names a clone which is being made of this vm."""
    under_way = (Vm.source_id == vm.id, Vm.state == str(VmState.PROVISIONING), Vm.deleted_at.is_(None))
    clone = session.scalar(select(Vm.name).where(*under_way).limit(1))
    if clone is not None:
        raise Conflict(f"vm {vm.name!r} is being copied to {clone!r}; wait for that, or delete the clone")
