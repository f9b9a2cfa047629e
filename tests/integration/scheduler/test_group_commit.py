# SPDX-License-Identifier: Apache-2.0
"""Many jobs begun and ended in one transaction: every job keeps its own fence and gapless journal."""

import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import select

from services.common.contracts import advance
from services.common.contracts.errors import TryAgain
from services.common.contracts.journal import Done
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


def placed(group: GroupJournal, jobs: list[str]) -> list[str]:
    """End `place` of those that can be had; their ids."""
    with group.database.write() as session:
        locked = group.lock(session, jobs, "scheduler")
        now = time.time()
        group.end(session, [End(one, advance.finished(one.job, Done({"host": "h"}), now)) for one in locked])
    return [one.job.id for one in locked]


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
    assert placed(group, others) == sorted(others)
    differs = {"id", "vm_id", "due_at", "rung_at", "deadline_at", "created_at", "started_at", "trace_id"}
    with database.read() as session:
        rows = [session.get_one(Job, each) for each in (alone, *others)]
        plain = [{c.key: getattr(r, c.key) for c in Job.__table__.columns if c.key not in differs} for r in rows]
        assert plain[0] == plain[1] == plain[2]
        assert {step.state for step in session.scalars(select(JobStep))} == {"done"}
        assert all(row.started_at is not None and row.started_at >= row.created_at for row in rows)
        bells = [row.payload["job"] for row in session.scalars(select(Outbox)) if row.target == "imagebuilder"]
    assert sorted(bells) == sorted([alone, *others])
    assert told(database, alone) == told(database, others[0]) == told(database, others[1])


def test_two_who_want_the_same_jobs_share_them(database: Database, group: GroupJournal) -> None:
    jobs, found = jobs_of(database, 12), []
    gate = threading.Barrier(2)

    def take() -> None:
        gate.wait()
        found.append(placed(group, [*jobs, *jobs, "unknown"]))

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found[0] + found[1]) == sorted(jobs)


def test_who_holds_a_job_keeps_it_and_the_others_are_ended(database: Database, group: GroupJournal) -> None:
    jobs = jobs_of(database, 3)
    assert group.journal.claim(jobs[0], "scheduler", "another", 30.0) is not None
    assert placed(group, jobs) == sorted(jobs[1:])
    with database.read() as session:
        assert session.get_one(Job, jobs[0]).lease_owner == "another"
    assert [kind for _, kind in told(database, jobs[0])] == ["job.queued", "step.started"]


def test_a_job_whose_step_was_begun_before_goes_on_where_it_was(database: Database, group: GroupJournal) -> None:
    (job,) = jobs_of(database, 1)
    assert group.journal.claim(job, "scheduler", "who died", -1.0) is not None
    with database.read() as session:
        before = session.get_one(Job, job)
    assert placed(group, [job]) == [job]
    with database.read() as session:
        row = session.get_one(Job, job)
        assert (row.fence, row.started_at) == (before.fence + 1, before.started_at)
        assert [step.state for step in session.scalars(select(JobStep))] == ["done"]
    kinds = [kind for _, kind in told(database, job)]
    assert kinds.count("step.started") == 1
    assert [seq for seq, _ in told(database, job)] == list(range(1, len(kinds) + 1))


def test_what_is_not_committed_leaves_the_jobs_as_they_were(database: Database, group: GroupJournal) -> None:
    jobs = jobs_of(database, 2)
    with database.read() as session:  # it commits nothing
        assert len(group.lock(session, jobs, "scheduler")) == 2
    assert placed(group, jobs) == sorted(jobs)
    assert [kind for _, kind in told(database, jobs[0])][:2] == ["job.queued", "step.started"]


def test_a_step_put_off_can_be_written_in_a_group_and_what_ends_a_job_cannot(
    database: Database, group: GroupJournal
) -> None:
    (job,) = jobs_of(database, 1)
    with database.write() as session:
        (locked,) = group.lock(session, [job], "scheduler")
        later = advance.again(locked.job, TryAgain("full"), time.time())
        assert fits(later)
        for changes in (
            replace(later, state=JobState.FAILED),
            replace(later, vm_state=VmState.FAILED),
            replace(later, write=print),
        ):
            assert not fits(changes)
        with pytest.raises(ValueError, match="can't be written"):
            group.end(session, [End(locked, replace(later, write=print))])
        group.end(session, [End(locked, later)])
    with database.read() as session:
        row = session.get_one(Job, job)
        assert (row.attempt, row.lease_until, row.state) == (1, 0.0, "running")
