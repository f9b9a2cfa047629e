# SPDX-License-Identifier: Apache-2.0
"""Moves of a consolidation that were handed out to be carried out: never more in an hour than the policy admits.

The hour slides, and it is the database's rows that are counted: neither a restart nor a second api begins it anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Index, select, update
from sqlalchemy.orm import Mapped, Session

from services.common.contracts.errors import Conflict
from services.common.contracts.ids import new_id
from services.common.contracts.moves import Move
from services.common.store.base import Base, Id, Key
from services.common.store.hosts import Installation

HOUR_S = 3600.0


class TakenMove(Base):
    """A vm that somebody was told to move, from where to where."""

    __tablename__ = "taken_moves"
    __table_args__ = (Index("ix_taken_moves_at", "at"),)
    id: Mapped[Key]
    vm_id: Mapped[Id]
    source_id: Mapped[Id]
    target_id: Mapped[Id]
    by: Mapped[Id]
    at: Mapped[float]


@dataclass(frozen=True)
class Budget:
    """How many moves an hour may have (0: any number), and how many were handed out within the last one."""

    per_hour: int
    taken: int

    @property
    def left(self) -> int | None:
        """How many may still be handed out; None: any number."""
        return max(0, self.per_hour - self.taken) if self.per_hour else None


def taken_lately(session: Session, now: float) -> list[str]:
    """The vms whose move was handed out within the last hour."""
    return list(session.scalars(select(TakenMove.vm_id).where(TakenMove.at > now - HOUR_S)))


def take_moves(session: Session, moves: Sequence[Move], per_hour: int, by: str, now: float) -> None:
    """Hand these out; Conflict where that would be too many in an hour, or one of the vms was handed out already."""
    # One row that all who take moves must write: they come one after the other, and each counts what the last one took.
    lock = update(Installation).values(created_at=Installation.created_at)
    session.execute(lock.execution_options(synchronize_session=False))
    taken = taken_lately(session, now)
    left = Budget(per_hour, len(taken)).left
    if left is not None and len(moves) > left:
        raise Conflict(f"{left} of {per_hour} moves are left in this hour, and the plan has {len(moves)}; plan again")
    if set(taken) & {move.vm for move in moves}:
        raise Conflict("somebody else has taken some of these moves; plan again")
    for move in moves:
        row = {"vm_id": move.vm, "source_id": move.source, "target_id": move.target}
        session.add(TakenMove(id=new_id(), by=by, at=now, **row))
