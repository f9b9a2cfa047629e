# SPDX-License-Identifier: Apache-2.0
"""Many jobs taken and ended in one transaction each: every job keeps its own lease, fence and gapless journal."""

import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from services.common.contracts import advance
from services.common.contracts.errors import TryAgain
from services.common.contracts.journal import Done, JobView
from services.common.contracts.states import JobState, VmState
from services.common.store.database import Database
from services.common.store.group_commit import End, GroupJournal, fits
from services.common.store.jobs import Job, JobEvent, JobStep, Outbox
from services.common.store.journal import SqlJournal
from tests.support.inn import Inn


@pytest.fixture
def group(database: Database) -> GroupJournal:
    return GroupJournal(SqlJournal(database))


def jobs_of(database: Database, count: int) -> list[str]:
    inn = Inn(database)
    return [inn.add_vm(f"vm-{n}")[1] for n in range(count)]


def taken(group: GroupJournal, jobs: list[str], lease_s: float = 30.0) -> list[JobView]:
    return group.claim(jobs, "scheduler", "desk", lease_s)


def ended(group: GroupJournal, jobs: list[JobView]) -> set[str]:
    """End `place` of those still in hand; their ids."""
    with group.database.write() as session:
        seqs = group.in_hand(session, jobs)
        ends = [End(job, advance.finished(job, Done({"host": "h"}), time.time())) for job in jobs if job.id in seqs]
        group.end(session, ends, seqs)
    return set(seqs)


def told(database: Database, job: str) -> list[tuple[int, str]]:
    with database.read() as session:
        rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job).order_by(JobEvent.seq))
        return [(row.seq, row.kind) for row in rows]


def test_a_group_does_what_one_job_at_a_time_does(database: Database, group: GroupJournal) -> None:
    alone, *others = jobs_of(database, 3)
    journal = group.journal
    job = journal.claim(alone, "scheduler", "desk", 30.0)
    assert job is not None
    assert journal.apply(job, advance.finished(job, Done({"host": "h"}), time.time()))
    assert ended(group, taken(group, others)) == set(others)
    differs = {"id", "vm_id", "due_at", "rung_at", "deadline_at", "created_at", "started_at", "trace_id"}
    with database.read() as session:
        rows = [session.get_one(Job, each) for each in (alone, *others)]
        plain = [{c.key: getattr(r, c.key) for c in Job.__table__.columns if c.key not in differs} for r in rows]
        assert plain[0] == plain[1] == plain[2]
        assert {step.state for step in session.scalars(select(JobStep))} == {"done"}
        bells = [row.payload["job"] for row in session.scalars(select(Outbox)) if row.target == "imagebuilder"]
    assert sorted(bells) == sorted([alone, *others])
    assert told(database, alone) == told(database, others[0]) == told(database, others[1])


def test_two_who_want_the_same_jobs_share_them(database: Database, group: GroupJournal) -> None:
    jobs, found = jobs_of(database, 12), []
    gate = threading.Barrier(2)

    def take() -> None:
        gate.wait()
        found.append([job.id for job in taken(group, [*jobs, *jobs, "unknown"])])

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found[0] + found[1]) == sorted(jobs)


def test_who_lost_one_job_ends_the_others(database: Database, group: GroupJournal) -> None:
    jobs = jobs_of(database, 3)
    slow = taken(group, jobs, lease_s=-1.0)
    quick = taken(group, jobs[:1])
    assert (quick[0].fence, slow[0].id in jobs) == (2, True)
    assert ended(group, slow) == set(jobs[1:])
    assert ended(group, quick) == {jobs[0]}
    assert ended(group, slow) == set()
    kinds = [kind for _, kind in told(database, jobs[0])]
    assert kinds.count("step.finished") == 1
    assert [seq for seq, _ in told(database, jobs[0])] == list(range(1, len(kinds) + 1))


def test_events_written_meanwhile_leave_no_gap(database: Database, group: GroupJournal) -> None:
    (job,) = jobs = jobs_of(database, 1)
    views = taken(group, jobs)
    with database.write() as session:
        session.execute(update(Job).values(last_seq=Job.last_seq + 1))
        session.add(JobEvent(job_id=job, seq=views[0].last_seq + 1, project_id="p", kind="progress", at=1.0))
    assert ended(group, views) == {job}
    seqs = [seq for seq, _ in told(database, job)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_step_put_off_can_be_written_in_a_group_and_what_ends_a_job_cannot(
    database: Database, group: GroupJournal
) -> None:
    (view,) = taken(group, jobs_of(database, 1))
    later = advance.again(view, TryAgain("full"), time.time())
    assert fits(later)
    for changes in (
        replace(later, state=JobState.FAILED),
        replace(later, vm_state=VmState.FAILED),
        replace(later, write=print),
    ):
        assert not fits(changes)
    with pytest.raises(ValueError, match="can't be written"), database.write() as session:
        group.end(session, [End(view, replace(later, write=print))], {view.id: view.last_seq})
    with database.write() as session:
        group.end(session, [End(view, later)], group.in_hand(session, [view]))
    with database.read() as session:
        row = session.get_one(Job, view.id)
        assert (row.attempt, row.lease_until, row.state) == (1, 0.0, "running")
