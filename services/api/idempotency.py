# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: the first answer to a POST is kept in the transaction that did the work, and given again.

Since work and answer are one transaction, a crash leaves neither: the key is never locked for longer than the
request lives. On PostgreSQL a second request meets the first one's advisory lock and gets StillRunning; on SQLite
writers queue, so it finds the finished answer.
"""

import hashlib
import hmac
import json

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from services.api.call import Answer, Call
from services.common.contracts.errors import Invalid, Problem, StillRunning
from services.common.store.models import IdempotencyKey

KEEP_S = 24 * 3600
LONGEST_KEY = 255
_LOCK = text("SELECT pg_try_advisory_xact_lock(:n)")
_KEPT = IdempotencyKey.__table__.c


def hash_of(secret: bytes, method: str, path: str, body: bytes) -> str:
    """What makes two requests the same; keyed, since a body may hold a password that could be guessed from a hash."""
    return hmac.new(secret, b"\n".join((method.encode(), path.encode(), body)), "sha256").hexdigest()


def recall(db: Session, call: Call) -> Answer | None:
    """The answer given before, or None; raises StillRunning, or Invalid where the key was used for something else."""
    scope = _scope(call)
    if db.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"{scope}\n{call.key}".encode()).digest()[:8], signed=True)
        if not db.scalar(_LOCK, {"n": number}):
            raise StillRunning("a request with this Idempotency-Key is being answered right now")
    row = db.execute(
        select(_KEPT.body_hash, _KEPT.status, _KEPT.headers, _KEPT.response, _KEPT.created_at).where(
            _KEPT.scope == scope, _KEPT.key == call.key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.created_at < call.now - KEEP_S:
        db.execute(delete(IdempotencyKey).where(_KEPT.scope == scope, _KEPT.key == call.key))
        return None
    if row.body_hash != call.key_hash:
        detail = "this Idempotency-Key was used for another request"
        raise Invalid(detail, [Problem("header:Idempotency-Key", detail, "use a new key for each new request")])
    kept = json.loads(call.parts.keys.unseal(row.response))
    return Answer(kept, row.status or 200, {**row.headers, "Idempotency-Replayed": "true"})


def remember(db: Session, call: Call, answer: Answer) -> None:
    """Keep the answer with the work. It is sealed, since some answers hold a secret that is shown once."""
    db.execute(
        insert(IdempotencyKey).values(
            scope=_scope(call),
            key=call.key,
            body_hash=call.key_hash,
            status=answer.status,
            headers=dict(answer.headers),
            response=call.parts.keys.seal(json.dumps(answer.body)),
            created_at=call.now,
        )
    )


def forget(db: Session, call: Call) -> None:
    """Let the key be used anew: what was begun under it has come to nothing."""
    db.execute(delete(IdempotencyKey).where(_KEPT.scope == _scope(call), _KEPT.key == call.key))


def _scope(call: Call) -> str:
    user = call.caller.id if call.caller else "anybody"
    return f"{user}/{call.place.id if call.place else ''}"
