# SPDX-License-Identifier: Apache-2.0
"""The outbox: what is to be published is written in the transaction that wants it, and deleted once confirmed."""

import random
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump
from services.common.contracts.commands import Command
from services.common.contracts.journal import Bell
from services.common.contracts.topics import BELL, COMMAND, host_queue
from services.common.store.database import RANG
from services.common.store.jobs import Outbox
from services.common.store.tables import table_of

OUTBOX = table_of(Outbox)
ROWS = insert(OUTBOX)


def _id() -> int:
    """A number of 63 bits that grows with time; known before the row is written, so nothing is read back."""
    return (time.time_ns() // 1000) << 12 | random.getrandbits(12)


def bell_row(bell: Bell) -> dict[str, Any]:
    """The outbox row of a bell."""
    return {"id": _id(), "kind": BELL, "target": bell.queue, "payload": dict(vars(bell)), "created_at": time.time()}


def command_row(command: Command) -> dict[str, Any]:
    """The outbox row of a command: unsigned, it is signed when it is published."""
    return {
        "id": _id(),
        "kind": COMMAND,
        "target": host_queue(command.host),
        "payload": dump(command),
        "created_at": time.time(),
    }


def put(session: Session, bells: Sequence[Bell] = (), command: Command | None = None) -> None:
    """Have these published after this transaction."""
    if bells or command:
        session.execute(ROWS, rows(session, bells, command))


def rows(session: Session, bells: Sequence[Bell] = (), command: Command | None = None) -> list[dict[str, Any]]:
    """Rows to be inserted in this transaction; whoever commits it rings for them."""
    found = [bell_row(b) for b in bells] + ([command_row(command)] if command else [])
    session.info.setdefault(RANG, []).extend(found)
    return found


def confirmed(session: Session, ids: Sequence[int]) -> None:
    """The broker has these."""
    session.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(ids)))


def oldest(session: Session) -> float | None:
    """When the row was written that has waited for longest."""
    return session.scalar(select(OUTBOX.c.created_at).order_by(OUTBOX.c.id).limit(1))


def depth(session: Session) -> int:
    """How much waits."""
    return session.scalar(select(func.count()).select_from(Outbox)) or 0
