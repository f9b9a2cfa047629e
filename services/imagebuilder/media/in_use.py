# SPDX-License-Identifier: Apache-2.0
"""Which files are needed: what vms were made from, and what jobs under way are about to hand to a host."""

import re
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from services.common.contracts.flow import MAKING
from services.common.contracts.states import JOB_ACTIVE
from services.common.store.catalogue import Media
from services.common.store.database import Database
from services.common.store.models import Job, Vm

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ACTIVE = [str(s) for s in JOB_ACTIVE]
_NOTE_EVERY_S = 60.0


def in_hand(session: Session) -> set[str]:
    """Every sha256 in the facts of jobs that are not over."""
    return _named(session, Job.state.in_(_ACTIVE))


def of_vms(session: Session) -> set[str]:
    """Every sha256 that the job which made a vm that exists found out, too."""
    alive = select(Vm.id).where(Vm.deleted_at.is_(None))
    return _named(session, or_(Job.state.in_(_ACTIVE), Job.vm_id.in_(alive) & Job.kind.in_(MAKING)))


def note_use(database: Database, media_id: str) -> bool:
    """A build is about to use the medium; False when it isn't there any more.

    From here on it is not collected for a while, so one that is noted may be used.
    """
    now = time.time()
    with database.read() as session:
        media = session.get(Media, media_id)
        if media is None or media.collected_at is not None:
            return False
        if now - (media.last_used_at or 0.0) < _NOTE_EVERY_S:
            return True
    with database.write() as session:
        there = (Media.id == media_id, Media.collected_at.is_(None))
        noted = session.execute(update(Media).where(*there).values(last_used_at=now).returning(Media.id))
        return noted.first() is not None


def _named(session: Session, where: Any) -> set[str]:
    found: set[str] = set()
    for facts in session.scalars(select(Job.facts).where(where)):
        found.update(_sums((facts or {}).get("build")))
    return found


def _sums(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (value,) if _SHA256.fullmatch(value) else ()
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _sums(inner)
