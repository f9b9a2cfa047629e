# SPDX-License-Identifier: Apache-2.0
"""Placement policies: their versions, which never change, and the history of which one was in force.

The youngest activation is the pointer: to put a version in force, to give it a share, or to go back is to add a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.common.contracts.errors import Conflict, IllegalMove, Problem
from services.common.contracts.ids import new_id
from services.common.store.base import Base, Id, JsonList, Key, Long, Name, Word

WHOLE = 100.0  # percent
KEEP_S = 30 * 86400.0


class StoredPolicy(Base):
    """One version of one policy. `sha256` is that of the text, and what decisions refer to."""

    __tablename__ = "policies"
    __table_args__ = (
        UniqueConstraint("sha256", name="uq_policies_sha256"),
        UniqueConstraint("name", "version", name="uq_policies_name_version"),
    )
    id: Mapped[Key]
    name: Mapped[Name]
    version: Mapped[int]
    sha256: Mapped[Word]
    text: Mapped[Long]
    shipped: Mapped[bool] = mapped_column(default=False)
    matched: Mapped[bool] = mapped_column(default=False)  # it says for which vms it is: it stands beside others
    keep_s: Mapped[float] = mapped_column(default=KEEP_S)  # how long its decisions are kept (explain.keep)
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]


class Activation(Base):
    """From here on this version decides, those beside it for the vms they match, and a canary for a share.

    `seq` has no gaps.
    """

    __tablename__ = "policy_activations"
    __table_args__ = (UniqueConstraint("seq", name="uq_policy_activations_seq"),)
    id: Mapped[Key]
    seq: Mapped[int]
    kind: Mapped[Word]
    policy_id: Mapped[Id] = mapped_column(ForeignKey("policies.id"))
    canary_id: Mapped[Id | None] = mapped_column(ForeignKey("policies.id"))
    canary_percent: Mapped[float] = mapped_column(default=0.0)
    beside: Mapped[JsonList] = mapped_column(default=list)  # ids
    restores: Mapped[int | None]  # the seq that a rollback went back to
    by: Mapped[Id] = mapped_column(default="")  # a user; nobody where the scheduler did it at its start
    at: Mapped[float]
    problem: Mapped[Long] = mapped_column(default="")  # why a scheduler can't use it, and kept what it ran


class Kind(StrEnum):
    """Why the pointer moved."""

    START = "start"  # nobody had chosen: the shipped default
    FILE = "file"  # INNKEEPER_POLICY_FILE
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Draft:
    """A policy's text that was read and found right."""

    name: str
    version: int
    sha256: str
    text: str
    shipped: bool = False
    matched: bool = False
    keep_s: float = KEEP_S


def publish(session: Session, draft: Draft, by: str, now: float) -> tuple[StoredPolicy, bool]:
    """The stored version, and whether it is new. Raises Conflict where the number or the name is another text's."""
    same = session.scalars(select(StoredPolicy).where(StoredPolicy.sha256 == draft.sha256)).first()
    if same is not None:
        return same, False
    versions = session.scalars(select(StoredPolicy).where(StoredPolicy.name == draft.name)).all()
    _check_free(draft, versions)
    row = StoredPolicy(
        id=new_id(),
        name=draft.name,
        version=draft.version,
        sha256=draft.sha256,
        text=draft.text,
        shipped=draft.shipped,
        matched=draft.matched,
        keep_s=draft.keep_s,
        created_by=by,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row, True


def _check_free(draft: Draft, versions: Iterable[StoredPolicy]) -> None:
    taken = {row.version: row for row in versions}
    if not draft.shipped and any(row.shipped for row in taken.values()):
        detail = f"{draft.name!r} is the name of a shipped policy"
        raise Conflict(detail, [Problem("/text", detail, "give your policy another metadata.name")])
    if draft.version in taken:
        detail = f"version {draft.version} of {draft.name!r} is another text, and versions never change"
        raise Conflict(detail, [Problem("/text", detail, f"write metadata.version: {max(taken) + 1}")])


def current(session: Session) -> Activation | None:
    """The pointer: what is in force now. None before a scheduler has ever run here."""
    return session.scalars(select(Activation).order_by(Activation.seq.desc()).limit(1)).first()


def move(session: Session, to: Activation) -> Activation:
    """Move the pointer to `to`, whose `id` and `seq` are filled in here.

    Two at the same moment want the same `seq`: one of them gets an IntegrityError.
    """
    last = session.scalar(select(func.max(Activation.seq))) or 0
    to.id, to.seq = new_id(), last + 1
    session.add(to)
    session.flush()
    return to


def activate(session: Session, policy: StoredPolicy, percent: float, by: str, now: float) -> Activation:
    """Put a version in force, beside others where it says for which vms it is, or as a canary for a share.

    Raises Conflict where nothing would change, IllegalMove where nothing is in force yet.
    """
    last = _last(session)
    to = _like(last, Kind.ACTIVATE, by, now)
    if percent < WHOLE:
        if policy.id in (last.policy_id, *last.beside):
            raise Conflict(f"{_called(policy)} is in force already; there is nothing to try")
        to.canary_id, to.canary_percent = policy.id, percent
        return _moved(session, last, to, policy)
    if policy.matched:
        older = select(StoredPolicy.id).where(StoredPolicy.name == policy.name)
        same = set(session.scalars(older))
        to.beside = [*(one for one in last.beside if one not in same), policy.id]
    else:
        to.policy_id = policy.id
    if not policy.matched or last.canary_id == policy.id:
        to.canary_id, to.canary_percent = None, 0.0
    return _moved(session, last, to, policy)


def deactivate(session: Session, policy: StoredPolicy, by: str, now: float) -> Activation:
    """Take away a canary, or what stands beside the one that decides for everybody else."""
    last = _last(session)
    to = _like(last, Kind.DEACTIVATE, by, now)
    if policy.id == last.policy_id:
        raise IllegalMove(f"{_called(policy)} decides for everybody else; activate another one instead")
    to.beside = [one for one in last.beside if one != policy.id]
    if last.canary_id == policy.id:
        to.canary_id, to.canary_percent = None, 0.0
    return _moved(session, last, to, policy)


def roll_back(session: Session, by: str, now: float) -> Activation:
    """Go back to what was in force before; again, to what was before that. Raises IllegalMove at the beginning."""
    last = current(session)
    before = _at(session, (last.restores or last.seq) - 1) if last is not None else None
    if before is not None and before.restores:
        before = _at(session, before.restores)
    if before is None:
        raise IllegalMove("there is nothing to go back to: this is the first policy that was in force here")
    to = _like(before, Kind.ROLLBACK, by, now)
    to.restores = before.seq
    return move(session, to)


def _at(session: Session, seq: int) -> Activation | None:
    return session.scalars(select(Activation).where(Activation.seq == seq)).first()


def _last(session: Session) -> Activation:
    last = current(session)
    if last is None:
        raise IllegalMove("nothing is in force yet: no scheduler has ever run here")
    return last


def _like(last: Activation, kind: Kind, by: str, now: float) -> Activation:
    """The same once more, to be changed."""
    return Activation(
        policy_id=last.policy_id,
        canary_id=last.canary_id,
        canary_percent=last.canary_percent,
        beside=list(last.beside),
        kind=str(kind),
        by=by,
        at=now,
        problem="",
    )


def _moved(session: Session, last: Activation, to: Activation, policy: StoredPolicy) -> Activation:
    if _standing(last) == _standing(to):
        raise Conflict(f"nothing would change: {_called(policy)} has this part in the decisions already")
    return move(session, to)


def _standing(at: Activation) -> tuple[str, str | None, float, list[str]]:
    return at.policy_id, at.canary_id, at.canary_percent, at.beside


def _called(policy: StoredPolicy) -> str:
    return f"{policy.name!r} version {policy.version}"
