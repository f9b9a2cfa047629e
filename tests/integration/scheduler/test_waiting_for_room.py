# SPDX-License-Identifier: Apache-2.0
"""A vm that waits for room is rung for by whatever gives some: a release, a host that comes up."""

import time

import pytest
from sqlalchemy import select, update

from services.common.contracts import advance
from services.common.contracts.errors import NotYet
from services.common.contracts.flow import Queue
from services.common.contracts.states import HostState
from services.common.store.database import Database
from services.common.store.giving_back import give_back
from services.common.store.host_states import move_host
from services.common.store.hosts import Claim
from services.common.store.jobs import Job, Outbox
from services.common.store.journal import SqlJournal
from services.common.store.waiting_for_room import MOST, ring_for_room
from tests.support.inn import Inn


class Queueing:
    """Jobs that were put off for want of room."""

    def __init__(self, database: Database):
        self.database, self.inn, self.journal = database, Inn(database), SqlJournal(database)
        self.host = self.inn.add_host("h1")

    def waits(self, name: str = "late") -> str:
        _, job_id = self.inn.add_vm(name)
        view = self.journal.claim(job_id, Queue.SCHEDULER, "s", 30)
        assert view is not None
        now = time.time()
        assert self.journal.apply(view, advance.again(view, NotYet("it waits for room", now + 600), now + 100))
        with self.database.write() as session:
            session.execute(Outbox.__table__.delete())  # type: ignore[attr-defined]
        return job_id

    def claimed(self) -> str:
        vm, job = self.inn.add_vm("early")
        with self.database.write() as session:
            sizes = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}
            session.add(Claim(vm_id=vm, job_id=job, host_id=self.host, labels={}, created_at=1.0, **sizes))
            session.execute(update(Job).where(Job.id == job).values(step="build"))
        return vm

    def rung(self) -> list[str]:
        with self.database.read() as session:
            return [row.payload["job"] for row in session.scalars(select(Outbox).order_by(Outbox.id))]


@pytest.fixture
def queueing(database: Database) -> Queueing:
    return Queueing(database)


def test_who_waits_is_rung_for_when_room_is_given_back(queueing: Queueing) -> None:
    vm, job = queueing.claimed(), queueing.waits()
    assert queueing.journal.claim(job, Queue.SCHEDULER, "s", 30) is None  # its pause isn't over
    with queueing.database.write() as session:
        assert give_back(session, vm)
    assert queueing.rung() == [job]
    assert queueing.journal.claim(job, Queue.SCHEDULER, "s", 30) is not None


def test_a_release_that_gives_nothing_back_rings_for_nobody(queueing: Queueing) -> None:
    queueing.waits()
    with queueing.database.write() as session:
        assert not give_back(session, "0" * 36)
    assert queueing.rung() == []


def test_who_waits_is_rung_for_when_a_host_comes_up_and_not_when_one_goes(queueing: Queueing) -> None:
    job = queueing.waits()
    with queueing.database.write() as session:
        assert move_host(session, queueing.host, HostState.MAINTENANCE)
    assert queueing.rung() == []
    with queueing.database.write() as session:
        assert move_host(session, queueing.host, HostState.UP)
    assert queueing.rung() == [job]


def test_a_job_in_somebody_s_hands_and_one_at_another_step_are_not_rung_for(queueing: Queueing) -> None:
    leased, elsewhere = queueing.waits("leased"), queueing.waits("elsewhere")
    with queueing.database.write() as session:
        session.execute(update(Job).where(Job.id == leased).values(lease_until=time.time() + 30))
        session.execute(update(Job).where(Job.id == elsewhere).values(step="build"))
    with queueing.database.write() as session:
        assert ring_for_room(session) == 0
    assert queueing.rung() == []


def test_one_change_rings_for_the_longest_waiting_only(queueing: Queueing, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 64
    monkeypatch.setattr("services.common.store.waiting_for_room.MOST", 1)
    first, _ = queueing.waits("first"), queueing.waits("second")
    with queueing.database.write() as session:
        assert ring_for_room(session) == 1
    assert queueing.rung() == [first]
