# SPDX-License-Identifier: Apache-2.0
"""What clones ask of their source: that nobody writes to its disk while it is copied, or while they still read it."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.common.contracts.abilities import LEAVES_DISK
from services.common.contracts.errors import Conflict
from services.common.contracts.states import VmState
from services.common.store.vms import Vm

NAMED = 10  # clones in one sentence, at most


def refuse_for_clones(session: Session, vm: Vm, verb: str) -> None:
    """Raise Conflict that names the clones in the way of a verb."""
    there = (Vm.source_id == vm.id, Vm.deleted_at.is_(None), Vm.state != str(VmState.FAILED))
    in_the_way = or_(Vm.linked, Vm.state == str(VmState.PROVISIONING))
    clones = session.execute(select(Vm.name, Vm.state).where(*there, in_the_way).order_by(Vm.id).limit(NAMED)).all()
    copied = next((clone.name for clone in clones if clone.state == VmState.PROVISIONING), None)
    if copied is not None:
        raise Conflict(f"vm {vm.name!r} is being copied to {copied!r}; wait for that, or delete the clone")
    if clones and verb not in LEAVES_DISK:
        names = ", ".join(repr(clone.name) for clone in clones)
        reason = f"the disk of vm {vm.name!r} is read by its linked clones {names}"
        raise Conflict(f"{reason}; {verb} is not possible until they are deleted")


def linked_clones(session: Session, vm_id: str) -> list[str]:
    """The names of those that read the vm's disk."""
    there = (Vm.source_id == vm_id, Vm.linked, Vm.deleted_at.is_(None), Vm.state != str(VmState.FAILED))
    return list(session.scalars(select(Vm.name).where(*there).order_by(Vm.name)))
