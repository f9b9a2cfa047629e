# SPDX-License-Identifier: Apache-2.0
"""The journal's promises, the same on both databases."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, update

from services.common.contracts import advance
from services.common.contracts.codec import dump
from services.common.contracts.errors import Conflict, IllegalMove, NoHost, TryAgain
from services.common.contracts.flow import Queue
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, JobView
from services.common.contracts.network import Nic
from services.common.contracts.states import JobState, VmState
from services.common.contracts.vm import VmSpec
from services.common.store import control, outbox
from services.common.store.catalogue import AddressLease, Network
from services.common.store.database import Database
from services.common.store.ended import Ended
from services.common.store.jobs import Job, JobEvent, Outbox
from services.common.store.journal import SqlJournal
from services.common.store.migrate import upgrade
from services.common.store.models import Base
from services.common.store.opening import Opening, open_job
from services.common.store.projects import Project
from services.common.store.vms import Vm


def new_vm(database: Database, name: str = "web-1") -> tuple[str, str]:
    """A vm with its create job; (vm, job)."""
    now = time.time()
    with database.write() as session:
        project = session.scalars(select(Project.id)).one()
        network = session.scalars(select(Network.id).where(Network.name == "lab")).one()
        nic = Nic("52:54:00:00:00:01", network, addresses=("10.78.0.9/24",))
        spec = VmSpec(name, name, "mini", 1, 256, 1, (nic,))
        vm = Vm(
            id=new_id(),
            project_id=project,
            name=name,
            state=str(VmState.PROVISIONING),
            os="mini",
            flavor="tiny",
            spec=dump(spec),
            fence=0,
            version=1,
            created_at=now,
            updated_at=now,
        )
        session.add(vm)
        session.flush()
        job = open_job(session, Opening("vm.create", project), vm)
        return vm.id, job.id


def job_row(database: Database, job: str) -> Job:
    with database.read() as session:
        return session.scalars(select(Job).where(Job.id == job)).one()


def vm_state(database: Database, vm: str) -> str:
    with database.read() as session:
        return session.scalars(select(Vm.state).where(Vm.id == vm)).one()


def claimed(journal: SqlJournal, job: str, queue: str = Queue.SCHEDULER) -> JobView:
    view = journal.claim(job, queue, "w1", 30)
    assert view is not None
    return view


def test_migrations_give_exactly_the_schema_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Project)) == 1


def test_a_new_job_has_its_event_and_its_bell_in_one_transaction(database: Database) -> None:
    told: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []
    database.announce = lambda events, rang: told.append((events, rang))
    _, job = new_vm(database)
    with database.read() as session:
        assert [e.seq for e in session.scalars(select(JobEvent).where(JobEvent.job_id == job))] == [1]
        assert [r.payload["job"] for r in session.scalars(select(Outbox))] == [job]
    assert [(e["job"], e["seq"]) for e in told[0][0]] == [(job, 1)]
    assert [row["payload"]["job"] for row in told[0][1]] == [job]


def test_of_many_claims_at_once_exactly_one_wins(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    won: list[JobView | None] = []
    threads = [threading.Thread(target=lambda: won.append(journal.claim(job, "scheduler", "w", 30))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([w for w in won if w]) == 1


def test_a_claim_from_the_wrong_queue_gets_nothing(database: Database) -> None:
    _, job = new_vm(database)
    assert SqlJournal(database).claim(job, Queue.WORKER, "w", 30) is None


def test_a_result_with_an_old_fence_changes_nothing(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    slow = claimed(journal, job)
    with database.write() as session:
        session.execute(update(Job).values(lease_until=0.0))
    quick = claimed(journal, job)
    assert quick.fence == slow.fence + 1
    assert not journal.apply(slow, advance.finished(slow, Done({"host": "old"})))
    assert journal.apply(quick, advance.finished(quick, Done({"host": "new"})))
    assert job_row(database, job).facts["place"] == {"host": "new"}


def test_what_is_handed_back_is_free_at_once_and_its_late_result_changes_nothing(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    slow = journal.claim(job, "scheduler", "slow", 30)
    assert slow is not None
    assert journal.claim(job, "scheduler", "quick", 30) is None
    journal.hand_back([(job, slow.fence - 1)])  # of an older lease: nothing
    assert journal.claim(job, "scheduler", "quick", 30) is None
    journal.hand_back([(job, slow.fence)])
    quick = journal.claim(job, "scheduler", "quick", 30)
    assert quick is not None
    assert quick.fence > slow.fence
    assert not journal.apply(slow, advance.finished(slow, Done(), time.time()))
    assert journal.apply(quick, advance.finished(quick, Done(), time.time()))


def test_a_refused_write_rolls_the_whole_step_back(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    view = claimed(journal, job)

    def refuse(_session: object) -> None:
        raise TryAgain("lost the race")

    with pytest.raises(TryAgain):
        journal.apply(view, advance.finished(view, Done(write=refuse)))
    assert job_row(database, job).step == "place"
    assert journal.apply(view, advance.finished(view, Done()))


def test_events_are_numbered_without_gaps(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    view = claimed(journal, job)
    journal.apply(view, advance.finished(view, Done()))
    view = claimed(journal, job, Queue.IMAGEBUILDER)
    journal.apply(view, advance.again(view, TryAgain("later"), time.time()))
    with database.read() as session:
        seqs = session.scalars(select(JobEvent.seq).where(JobEvent.job_id == job).order_by(JobEvent.seq)).all()
        assert list(seqs) == list(range(1, len(seqs) + 1))
        assert job_row(database, job).last_seq == len(seqs)


def test_a_job_put_off_is_not_claimed_before_its_time(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    view = replace(claimed(journal, job), attempt=6)
    journal.apply(view, advance.again(view, TryAgain("later"), time.time()))
    assert journal.claim(job, Queue.SCHEDULER, "w", 30) is None


def test_a_failed_create_is_walked_back_and_the_vm_says_failed(database: Database) -> None:
    vm, job = new_vm(database)
    journal = SqlJournal(database)
    view = claimed(journal, job)
    journal.apply(view, advance.failed(view, NoHost("no host has room", extra={"explanation": {"filters": []}})))
    row = job_row(database, job)
    assert (row.state, row.step, row.undo) == ("undoing", "release", ["release"])
    view = claimed(journal, job)
    journal.apply(view, advance.finished(view, Done()))
    row = job_row(database, job)
    assert row.state == JobState.FAILED
    assert row.error is not None
    assert row.error["code"] == "no-host"
    assert vm_state(database, vm) == VmState.FAILED


def test_a_second_job_on_a_busy_vm_is_refused_unless_it_supersedes(database: Database) -> None:
    vm, job = new_vm(database)
    with database.write() as session:
        row = session.get_one(Vm, vm)
        with pytest.raises(Conflict):
            open_job(session, Opening("vm.delete", row.project_id), row)
    told: list[Ended] = []
    database.ended = told.append
    with database.write() as session:
        row = session.get_one(Vm, vm)
        delete = open_job(session, Opening("vm.delete", row.project_id, supersede=True), row)
    assert job_row(database, job).state == JobState.CANCELLED
    assert [(end.job, end.vm, end.kind, end.outcome) for end in told] == [(job, vm, "vm.create", "cancelled")]
    assert vm_state(database, vm) == VmState.DELETING
    assert SqlJournal(database).claim(job, Queue.SCHEDULER, "w", 30) is None
    assert claimed(SqlJournal(database), delete.id, Queue.WORKER).vm.fence == 2  # type: ignore[union-attr]


def test_cancel_takes_the_job_out_of_a_workers_hands(database: Database) -> None:
    vm, job = new_vm(database)
    journal = SqlJournal(database)
    view = claimed(journal, job)
    with database.write() as session:
        control.cancel(session, session.get_one(Job, job), journal)
    assert not journal.apply(view, advance.finished(view, Done()))
    assert job_row(database, job).state == JobState.UNDOING
    undo = claimed(journal, job)
    journal.apply(undo, advance.finished(undo, Done()))
    assert job_row(database, job).state == JobState.CANCELLED
    assert vm_state(database, vm) == VmState.FAILED


def test_retry_begins_a_failed_create_anew_and_takes_its_addresses_again(database: Database) -> None:
    vm, job = new_vm(database)
    journal = SqlJournal(database)
    view = claimed(journal, job)
    journal.apply(view, advance.failed(view, NoHost("no")))
    view = claimed(journal, job)
    journal.apply(view, advance.finished(view, Done()))
    with database.write() as session:
        control.retry(session, session.get_one(Job, job), journal)
    row = job_row(database, job)
    assert (row.state, row.step) == ("queued", "place")
    assert vm_state(database, vm) == VmState.PROVISIONING
    with database.read() as session:
        assert session.scalars(select(AddressLease.address)).all() == ["10.78.0.9"]
    assert claimed(journal, job).step == "place"


def test_what_is_over_can_not_be_cancelled(database: Database) -> None:
    _, job = new_vm(database)
    journal = SqlJournal(database)
    with database.write() as session:
        session.execute(update(Job).values(state="succeeded"))
    with pytest.raises(IllegalMove), database.write() as session:
        control.cancel(session, session.get_one(Job, job), journal)


def test_confirmed_outbox_rows_are_forgotten(database: Database) -> None:
    new_vm(database)
    with database.write() as session:
        rows = session.scalars(select(Outbox.id)).all()
        assert rows
        outbox.confirmed(session, rows)
    with database.read() as session:
        assert outbox.depth(session) == 0
