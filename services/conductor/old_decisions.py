# SPDX-License-Identifier: Apache-2.0
"""Decisions live as long as the policy that made them says (explain.keep)."""

import time

from sqlalchemy import ColumnElement, and_, delete, or_, select

from services.common.store.database import Database
from services.common.store.hosts import StoredDecision
from services.common.store.policies import KEEP_S, StoredPolicy

BATCH = 5000  # rows a transaction: others write to the same table meanwhile


def forget_decisions(database: Database) -> int:
    """Delete those that are too old; how many that were."""
    now, total = time.time(), 0
    with database.read() as session:
        kept: dict[str, float] = {
            row[0]: row[1] for row in session.execute(select(StoredPolicy.sha256, StoredPolicy.keep_s))
        }
    some = BATCH
    while some == BATCH:
        with database.write() as session:
            old = session.scalars(select(StoredDecision.id).where(_old(kept, now)).limit(BATCH)).all()
            session.execute(delete(StoredDecision).where(StoredDecision.id.in_(old)))
        some = len(old)
        total += some
    return total


def _old(kept: dict[str, float], now: float) -> ColumnElement[bool]:
    """Older than its policy says; of a policy nobody stored, than they are kept by default."""
    sha, made = StoredDecision.policy_sha, StoredDecision.created_at
    known = [and_(sha == one, made < now - keep_s) for one, keep_s in kept.items()]
    return or_(*known, and_(sha.not_in(list(kept)), made < now - KEEP_S))
