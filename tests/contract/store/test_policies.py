# SPDX-License-Identifier: Apache-2.0
"""Versions of policies never change, and the pointer to the one in force goes forth and back; on both databases."""

from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from services.common.contracts.errors import Conflict, IllegalMove
from services.common.store.database import Database
from services.common.store.policies import Activation, Draft, StoredPolicy, activate, current, move, publish, roll_back


def draft(name: str, version: int = 1, text: str = "", shipped: bool = False) -> Draft:
    text = text or f"{name} {version}"
    return Draft(name, version, sha256(text.encode()).hexdigest(), text, shipped)


def stored(database: Database, *drafts: Draft) -> list[StoredPolicy]:
    with database.write() as session:
        return [publish(session, one, "ada", 1.0)[0] for one in drafts]


def put_in_force(database: Database, policy: StoredPolicy, percent: float = 100.0) -> None:
    """As a scheduler does it at its start, where nothing is in force."""
    with database.write() as session:
        if current(session) is None:
            move(session, Activation(kind="start", policy_id=policy.id, canary_percent=0.0, beside=[], at=1.0))
        else:
            activate(session, policy, percent, "ada", 2.0)


def back(database: Database) -> None:
    with database.write() as session:
        roll_back(session, "ada", 3.0)


def in_force(database: Database) -> tuple[str, str | None, float]:
    """Names of the policy and of the canary, and the canary's share."""
    with database.read() as session:
        at = current(session)
        assert at is not None
        names = {row.id: f"{row.name}@{row.version}" for row in session.scalars(select(StoredPolicy))}
        return names[at.policy_id], names[at.canary_id] if at.canary_id else None, at.canary_percent


def test_the_same_text_is_stored_once(database: Database) -> None:
    stored(database, draft("a"))
    with database.write() as session:
        again, new = publish(session, draft("a"), "bob", 9.0)
    assert (again.created_by, new) == ("ada", False)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(StoredPolicy)) == 1


def test_a_version_is_never_given_another_text(database: Database) -> None:
    stored(database, draft("a", 1), draft("a", 2))
    with database.write() as session, pytest.raises(Conflict, match="versions never change") as refused:
        publish(session, draft("a", 1, "another text"), "ada", 1.0)
    assert refused.value.problems[0].fix == "write metadata.version: 3"


def test_nobody_takes_the_name_of_a_shipped_policy(database: Database) -> None:
    stored(database, draft("balanced", 1, shipped=True))
    with database.write() as session, pytest.raises(Conflict, match="shipped"):
        publish(session, draft("balanced", 2), "ada", 1.0)
    stored(database, draft("balanced", 2, shipped=True))


def test_going_back_undoes_one_activation_after_the_other(database: Database) -> None:
    a, b, c, d = stored(database, *(draft(name) for name in "abcd"))
    for policy in (a, b, c):
        put_in_force(database, policy)
    back(database)
    assert in_force(database)[0] == "b@1"
    back(database)
    assert in_force(database)[0] == "a@1"
    put_in_force(database, d)
    back(database)
    assert in_force(database)[0] == "a@1"
    with database.write() as session, pytest.raises(IllegalMove, match="nothing to go back to"):
        roll_back(session, "ada", 3.0)
    with database.read() as session:
        assert session.scalars(select(Activation.seq).order_by(Activation.seq)).all() == [1, 2, 3, 4, 5, 6, 7]


def test_a_canary_is_tried_beside_the_one_in_force_and_then_promoted_or_given_up(database: Database) -> None:
    a, b = stored(database, draft("a"), draft("b"))
    put_in_force(database, a)
    put_in_force(database, b, 10)
    assert in_force(database) == ("a@1", "b@1", 10.0)
    put_in_force(database, b)
    assert in_force(database) == ("b@1", None, 0.0)
    back(database)
    assert in_force(database) == ("a@1", "b@1", 10.0)
    back(database)
    assert in_force(database) == ("a@1", None, 0.0)


@pytest.mark.parametrize("percent", [100.0, 20.0])
def test_what_would_change_nothing_is_a_conflict(database: Database, percent: float) -> None:
    (a,) = stored(database, draft("a"))
    put_in_force(database, a)
    with database.write() as session, pytest.raises(Conflict):
        activate(session, a, percent, "ada", 2.0)


def test_two_moves_at_the_same_moment_do_not_both_win(database: Database) -> None:
    a, b = stored(database, draft("a"), draft("b"))
    put_in_force(database, a)
    late = Activation(id="late", seq=1, kind="activate", policy_id=b.id, canary_percent=0.0, beside=[], at=1.0)
    with database.write() as session:
        session.add(late)
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()


def test_before_a_scheduler_ran_nothing_can_be_put_in_force(database: Database) -> None:
    (a,) = stored(database, draft("a"))
    with database.write() as session, pytest.raises(IllegalMove, match="no scheduler has ever run"):
        activate(session, a, 100.0, "ada", 2.0)


def test_a_new_version_takes_the_place_of_the_old_one_beside_the_others(database: Database) -> None:
    a, *some = stored(
        database, draft("a"), *(replace(draft(name, n), matched=True) for name, n in (("x", 1), ("y", 1), ("x", 2)))
    )
    for policy in (a, *some):
        put_in_force(database, policy)
    with database.read() as session:
        at = current(session)
    assert at is not None
    assert (at.policy_id, at.beside) == (a.id, [some[1].id, some[2].id])
