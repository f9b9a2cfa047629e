# SPDX-License-Identifier: Apache-2.0
"""A project's feed on PostgreSQL: transactions that commit in another order than they wrote in, read by two APIs."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.api.views.feed_ids import id_of, read_id
from services.common.contracts.events import JobEventKind
from services.common.contracts.journal import NewEvent
from services.common.contracts.states import VmState
from services.common.store import drifts
from services.common.store.database import Database
from services.common.store.event_feed import EventFeed
from services.common.store.jobs import JobEvent
from services.common.store.journal import append_events
from services.common.store.migrate import upgrade
from services.common.store.opening import Opening, open_job
from services.common.store.projects import Project
from services.common.store.turns import Seen
from services.common.store.vms import Vm
from tests.support.installations import PostgresInstallations

News = tuple[str, int]  # an event's job (or drift) and seq


class World:
    """One database, two APIs, and whoever writes."""

    def __init__(self, url: str):
        self.apis = [Database(url), Database(url)]
        with self.apis[0].read() as session:
            self.project = session.scalars(select(Project.id)).one()

    def job(self) -> str:
        with self.apis[0].write() as session:
            return open_job(session, Opening("media.import", self.project)).id

    def feed(self, api: int) -> EventFeed:
        return EventFeed(self.apis[api], self.project)

    def writing(self) -> Session:
        """A transaction that ends when the caller says so."""
        return Session(self.apis[0].engine)


@pytest.fixture
def world(postgres_installations: PostgresInstallations, tmp_path: Path) -> Iterator[World]:
    found = World(postgres_installations.new(tmp_path))
    yield found
    for api in found.apis:
        api.close()


def write(session: Session, job: str, events: int = 1) -> None:
    append_events(session, job, [NewEvent(JobEventKind.PHASE, text=str(n)) for n in range(events)])


def drift(session: Session, project: str, vm: str) -> None:
    """An entry of the other table, in the same transaction."""
    drifts.network_seen(session, Vm(id=vm, project_id=project, state=str(VmState.READY)), VmState.READY, [])


def read(feed: EventFeed, seen: Seen, limit: int = 100) -> tuple[list[News], list[str]]:
    """One page: what it tells, and the ids it has on the wire."""
    page = feed.page(seen, limit)
    return [(place.source, place.seq) for place, _, _ in page.events], [id_of(p, after) for p, _, after in page.events]


def after(event_id: str) -> Seen:
    """Where whoever sends this id goes on."""
    seen = read_id(event_id)[1]
    assert seen is not None
    return seen


def test_what_began_earlier_and_was_committed_later_is_told_by_the_other_api(world: World) -> None:
    early, late = world.job(), world.job()
    begun = world.feed(0).now()
    with world.writing() as slow:
        write(slow, early)
        with world.writing() as quick:
            write(quick, late)
            quick.commit()
        told, ids = read(world.feed(0), begun)
        assert told == [(late, 2)]
        slow.commit()
    told, more = read(world.feed(1), after(ids[-1]))
    assert told == [(early, 2)]
    assert read(world.feed(0), after(more[-1]))[0] == []


def test_a_transaction_that_stays_open_holds_nothing_up(world: World) -> None:
    jobs = [world.job() for _ in range(4)]
    seen = world.feed(0).now()
    with world.writing() as endless:
        write(endless, jobs[0])
        for n, job in enumerate(jobs[1:]):
            with world.writing() as quick:
                write(quick, job)
                quick.commit()
            told, ids = read(world.feed(n % 2), seen)
            assert told == [(job, 2)]
            seen = after(ids[-1])


def test_a_break_within_a_transaction_goes_on_within_it(world: World) -> None:
    early, late = world.job(), world.job()
    begun = world.feed(0).now()
    with world.writing() as slow:
        write(slow, early)
        with world.writing() as quick:
            write(quick, late, 3)
            quick.commit()
        _, ids = read(world.feed(0), begun)
        slow.commit()
    assert read(world.feed(1), after(ids[0]))[0] == [(late, 3), (late, 4), (early, 2)]


@pytest.mark.parametrize("seed", range(6))
def test_readers_who_break_off_anywhere_see_everything_once(world: World, seed: int) -> None:
    chance = random.Random(seed)
    jobs = [world.job() for _ in range(8)]
    seen = [world.feed(0).now()] * 3
    heard: list[list[News]] = [[], [], []]
    with ExitStack() as all_of_them:
        free, under_way = list(jobs), list[tuple[str, Session]]()

        def look(reader: int, limit: int) -> int:
            told, ids = read(world.feed(chance.randrange(2)), seen[reader], limit)
            got = chance.randint(0, len(told))  # the connection breaks here
            heard[reader] += told[:got]
            seen[reader] = after(ids[got - 1]) if got else seen[reader]
            return len(told)

        for _ in range(150):
            if free and chance.random() < 0.5:
                job = free.pop(chance.randrange(len(free)))
                session = all_of_them.enter_context(world.writing())
                write(session, job, chance.randint(1, 3))
                if chance.random() < 0.3:
                    drift(session, world.project, job)
                    session.flush()
                under_way.append((job, session))
            elif under_way:
                job, session = under_way.pop(chance.randrange(len(under_way)))
                (session.rollback if chance.random() < 0.1 else session.commit)()
                free.append(job)
            look(chance.randrange(3), chance.randint(1, 5))
        for _, session in under_way:
            session.commit()
        for reader in range(3):
            while look(reader, 50):
                pass
    with world.apis[0].read() as session:
        rows = session.execute(select(JobEvent.job_id, JobEvent.seq).where(JobEvent.seq > 1)).all()
        there = [(str(job), int(seq)) for job, seq in rows]
        there += [(entry, drifts.SEQ) for entry in session.scalars(select(drifts.DriftEntry.id))]
    for told in heard:
        assert Counter(told) == Counter(there), Counter(told) - Counter(there) or Counter(there) - Counter(told)
        for job in jobs:
            assert [seq for source, seq in told if source == job] == sorted(seq for j, seq in there if j == job)


def test_an_id_of_an_earlier_release_says_where_in_time(world: World) -> None:
    jobs = [world.job() for _ in range(3)]
    with world.apis[0].read() as session:
        rows = {row.job_id: row for row in session.scalars(select(JobEvent))}
    first = rows[jobs[0]]
    place, seen = read_id(f"{first.at!r}/{first.job_id}/{first.seq}")
    assert seen is None
    assert read(world.feed(1), world.feed(1).after_time(place))[0] == [(job, 1) for job in jobs[1:]]


def test_events_restored_from_another_cluster_are_no_news(world: World) -> None:
    job = world.job()
    with world.apis[0].write() as session:
        session.execute(update(JobEvent).values(turn=10**12))
    begun = world.feed(0).now()
    assert read(world.feed(0), begun)[0] == []
    upgrade(world.apis[1])
    with world.apis[0].read() as session:
        assert session.scalars(select(JobEvent.turn)).all() == [0]
    with world.apis[0].write() as session:
        write(session, job)
    assert read(world.feed(0), begun)[0] == [(job, 2)]
    assert read(world.feed(0), Seen(0))[0] == [(job, 1), (job, 2)]
