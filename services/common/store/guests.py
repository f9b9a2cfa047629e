# SPDX-License-Identifier: Apache-2.0
"""Guests that report over HTTPS: whose token is whose, and what they said that nobody has recorded yet."""

import hashlib

from sqlalchemy import BigInteger, Index, Integer, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.store.base import Base, Id, JsonDict, Word
from services.common.store.tables import table_of
from services.common.store.together import Row
from services.common.store.vms import Vm


class GuestToken(Base):
    """The token of one vm's guest; only its hash is kept here. It is worth nothing once the vm is deleted."""

    __tablename__ = "guest_tokens"
    token_hash: Mapped[Word] = mapped_column(primary_key=True)  # sha256 hex of 256 random bits
    vm_id: Mapped[Id]
    created_at: Mapped[float]


class GuestMessage(Base):
    """A checked message on its way to the conductor, which records it as it does those of the ports."""

    __tablename__ = "guest_messages"
    __table_args__ = (Index("ix_guest_messages_vm_id", "vm_id"),)
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    vm_id: Mapped[Id]
    message: Mapped[JsonDict]
    at: Mapped[float]


def token_row(vm_id: str, token: str, now: float) -> Row:
    """The row that makes this token the vm's."""
    return Row(table_of(GuestToken), {"token_hash": _hash(token), "vm_id": vm_id, "created_at": now})


def vm_of_token(session: Session, token: str) -> str | None:
    """The vm whose guest has this token; None for one that nobody has, or whose vm is deleted."""
    mine = select(Vm.id).join(GuestToken, GuestToken.vm_id == Vm.id)
    return session.scalars(mine.where(GuestToken.token_hash == _hash(token), Vm.deleted_at.is_(None))).one_or_none()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
