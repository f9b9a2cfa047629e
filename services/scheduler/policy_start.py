# SPDX-License-Identifier: Apache-2.0
"""What a scheduler puts into the database when it starts: the shipped policies, its file's, and a first pointer.

A file is put in force once for each of its texts: whoever activates another policy later isn't overruled by a restart.
"""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.common.contracts.errors import Conflict
from services.common.runtime.log import get_logger
from services.common.store.database import Database
from services.common.store.policies import Activation, Draft, Kind, StoredPolicy, current, move, publish
from services.scheduler.policy import Policy
from services.scheduler.policy_file import DEFAULT, SHIPPED, read_policy

log = get_logger(__name__)
_TRIES = 3  # several schedulers may start in the same moment


def settle(database: Database, file: Path | None, now: float) -> None:
    """Store what is missing and point to what shall decide.

    Raises Conflict where the file's text has the name and version of another one that is stored.
    """
    for _ in range(_TRIES - 1):
        try:
            return _settle(database, file, now)
        except IntegrityError:
            log.info("another scheduler starts at the same moment; looking again")
    return _settle(database, file, now)


def _settle(database: Database, file: Path | None, now: float) -> None:
    with database.write() as session:
        default = _ship(session, now)
        if file is not None:
            text = file.read_bytes().decode()
            row, _ = publish(session, draft_of(read_policy(text, str(file)), text), "", now)
            _point(session, Kind.FILE, row, now)
        elif default is not None:
            _point(session, Kind.START, default, now)


def _ship(session: Session, now: float) -> StoredPolicy | None:
    """Store the shipped policies; the default one's row."""
    found = None
    for path in sorted(SHIPPED.glob("*.yaml")):
        text = path.read_bytes().decode()
        policy = read_policy(text, str(path))
        try:
            row, _ = publish(session, draft_of(policy, text, shipped=True), "", now)
        except Conflict as error:
            # Somebody here had that name first, or a version was changed without a new number.
            log.error("a shipped policy can't be stored", policy=policy.name, reason=error.detail)
            continue
        found = row if policy.name == DEFAULT else found
    return found


def draft_of(policy: Policy, text: str, shipped: bool = False) -> Draft:
    """The text with what was read of it."""
    return Draft(policy.name, policy.version, policy.sha256, text, shipped, policy.match.given, policy.explain_keep_s)


def _point(session: Session, kind: Kind, row: StoredPolicy, now: float) -> None:
    """Put `row` in force, unless people have chosen, or a file was put in force before."""
    last = current(session)
    mine = select(Activation.seq).where(Activation.kind == str(Kind.FILE), Activation.policy_id == row.id)
    if kind == Kind.FILE and session.scalars(mine.limit(1)).first() is not None:
        return
    if kind == Kind.START and last is not None and (last.kind != str(Kind.START) or last.policy_id == row.id):
        return
    beside = list(last.beside) if last is not None else []
    to = Activation(kind=str(kind), policy_id=row.id, canary_percent=0.0, beside=beside, by="", at=now, problem="")
    move(session, to)
