# SPDX-License-Identifier: Apache-2.0
"""What the second source says of guests, and when it is weighed: apart from vms, whose rows every step changes."""

from sqlalchemy import Index, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.codec import load
from services.common.contracts.tools import ToolsFacts, disagreements
from services.common.contracts.vm import VmSpec
from services.common.store.base import Base, JsonDict, Key
from services.common.store.network_plans import network_plans
from services.common.store.vms import Vm

# How long a guest may need to get its network as asked, and its host to tell that a boot has begun.
SETTLE_S = 30.0


class GuestTools(Base):
    """One row a vm; it goes some time after the vm. `since`: how long it has been so; `at`: when it was told last."""

    __tablename__ = "guest_tools"
    __table_args__ = (Index("ix_guest_tools_due", "due"),)
    vm_id: Mapped[Key]
    facts: Mapped[JsonDict] = mapped_column(default=dict)  # contracts.tools.ToolsFacts
    since: Mapped[float]
    at: Mapped[float]
    due: Mapped[float | None]  # when it is compared with what was asked for; empty: when something else is told


def weigh_later(session: Session, vm_id: str, now: float) -> None:
    """The vm may have booted anew: what is told of it in a while counts."""
    session.execute(update(GuestTools).where(GuestTools.vm_id == vm_id).values(due=now + SETTLE_S))


def disagreements_of(session: Session, vm: Vm, row: GuestTools) -> list[str] | None:
    """What is seen otherwise than it was asked for, a sentence each; None where nobody can tell."""
    spec, facts = load(VmSpec, vm.spec), load(ToolsFacts, row.facts)
    return disagreements(spec.network, facts, network_plans(session, (nic.network for nic in spec.nics)))
