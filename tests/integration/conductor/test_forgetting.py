# SPDX-License-Identifier: Apache-2.0
"""What was kept for a while is forgotten when the while is over, and nothing sooner."""

import time

from sqlalchemy import select, update

from services.common.contracts.ids import new_id
from services.common.store.guests import token_row, vm_of_token
from services.common.store.models import Evidence, GuestToken, GuestTools, StoredDecision, Vm
from services.common.store.policies import Draft, publish
from services.common.store.together import write_together
from services.conductor.__main__ import EVIDENCE_KEPT_S, LOOKS_KEPT_S, forget_old
from services.conductor.old_decisions import forget_decisions
from tests.integration.conductor.conftest import HOST, Room


def seen(room: Room, age_s: float, job: str | None) -> None:
    asked = time.time() - age_s
    with room.database.write() as session:
        session.add(Evidence(id=new_id(), vm_id=room.vm_id, host_id=HOST, job_id=job, asked_at=asked))


def test_looks_live_an_hour_and_what_was_seen_of_a_broken_job_a_week(room: Room) -> None:
    room.check_in()
    for age_s, job in ((60, None), (LOOKS_KEPT_S + 60, None), (LOOKS_KEPT_S + 60, "j"), (EVIDENCE_KEPT_S + 60, "j")):
        seen(room, age_s, job)
    forget_old(room.database)
    ages = sorted(round(time.time() - row.asked_at, -1) for row in room.kept())
    assert ages == [60, LOOKS_KEPT_S + 60]


def test_what_is_of_a_guest_goes_with_its_vm(room: Room) -> None:
    room.check_in()
    with room.database.write() as session:
        write_together(session, [token_row(room.vm_id, "t", time.time())])
        session.add(GuestTools(vm_id=room.vm_id, facts={}, since=0.0, at=0.0, due=None))
    forget_old(room.database)
    with room.database.read() as session:
        assert session.get(GuestTools, room.vm_id) is not None
        assert vm_of_token(session, "t") == room.vm_id
    with room.database.write() as session:
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(deleted_at=time.time()))
    forget_old(room.database)
    with room.database.read() as session:
        assert vm_of_token(session, "t") is None
        assert session.scalars(select(GuestToken)).all() == session.scalars(select(GuestTools)).all() == []


def test_decisions_live_as_long_as_their_policy_says(room: Room) -> None:
    day = 86400.0
    with room.database.write() as session:
        draft = Draft("brief", 1, "a" * 64, "brief", keep_s=day)
        publish(session, draft, "", 0.0)
        for sha, age_s in (("a" * 64, 0.9 * day), ("a" * 64, 1.1 * day), ("b" * 64, 29 * day), ("b" * 64, 31 * day)):
            session.add(_decision(sha, time.time() - age_s))
    assert forget_decisions(room.database) == 2
    with room.database.read() as session:
        ages = sorted(
            round((time.time() - made) / day, 1) for made in session.scalars(select(StoredDecision.created_at))
        )
    assert ages == [0.9, 29.0]


def _decision(sha: str, made: float) -> StoredDecision:
    return StoredDecision(
        id=new_id(),
        project_id="p",
        job_id="j",
        vm_id="v",
        host_id=None,
        policy="brief",
        policy_sha=sha,
        generation=0,
        explanation={},
        created_at=made,
    )
