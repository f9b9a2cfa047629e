# SPDX-License-Identifier: Apache-2.0
"""The step `place` in batches, on real databases: what one job does to itself it does not do to the others."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump, load
from services.common.contracts.data_disks import DataDisks
from services.common.contracts.datastores import Datastore
from services.common.contracts.placement import Decision
from services.common.runtime.settings import Settings
from services.common.runtime.steps import StepRunner
from services.common.store.database import Database
from services.common.store.datastores import datastores_of, note_datastores
from services.common.store.group_commit import GroupJournal
from services.common.store.hosts import Claim, ClaimGroup, Host, StoredDecision
from services.common.store.jobs import Job, JobEvent
from services.common.store.journal import SqlJournal
from services.scheduler import roster as roster_module
from services.scheduler.deciding_again import decided_again
from services.scheduler.inventory import Inventory, load_inventory
from services.scheduler.placing_together import PlacingTogether
from services.scheduler.policy_file import Shelf, read_policy
from services.scheduler.steps import handlers
from tests.support.inn import ABLE, Inn
from tests.support.placing import PLAIN, SHELF

UNUSED = ("DATABASE_URL", "BROKER_URL", "KEYS_DIR", "STATE_DIR")


class Service:
    """A scheduler without its queue."""

    def __init__(self, database: Database, shelf: Shelf = SHELF, lease_s: float = 8.0):
        self.database = database
        self.inn = Inn(database)
        settings = {f"INNKEEPER_{name}": "unused" for name in UNUSED} | {"INNKEEPER_REDIS_URL": "redis://127.0.0.1:1"}
        settings["INNKEEPER_LEASE_S"] = str(lease_s)
        journal = SqlJournal(database)
        self.runner = StepRunner("scheduler", handlers(database, shelf), journal, Settings.from_env(settings))
        self.place = PlacingTogether(self.runner, database, shelf, journal)

    def jobs(self, count: int, **spec: Any) -> list[str]:
        return [self.inn.add_vm(f"vm-{n}", **spec)[1] for n in range(count)]

    def steps(self, jobs: list[str]) -> list[str]:
        return [self.inn.job(job).step for job in jobs]

    def books_balance(self) -> bool:
        claimed = self.inn.claimed()
        return all(used == claimed.get(host, (0, 0, 0)) for host, used in self.inn.used().items())


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def test_a_batch_is_placed_claimed_and_explained(service: Service) -> None:
    service.inn.add_host("h1", power_curve=[10.0, 50.0]), service.inn.add_host("h2")
    jobs = service.jobs(6)
    service.place([*jobs, *jobs, "unknown"])
    assert service.steps(jobs) == ["build"] * 6
    assert sum(used[0] for used in service.inn.used().values()) == 6
    assert service.books_balance()
    with service.database.read() as session:
        for row in session.scalars(select(StoredDecision)):
            told, facts = load(Decision, row.explanation), service.inn.job(row.job_id).facts["place"]
            assert dump(told) == row.explanation
            assert (told.host, told.candidates[0].score, told.watts) == (row.host_id, facts["score"], facts["watts"])
            assert told.request.id == row.vm_id
            assert service.inn.vm(row.vm_id).host_id == row.host_id
            assert sum(told.candidates[0].terms.values()) == told.candidates[0].score
            assert {count.filter for count in told.filters} >= {"state", "capacity"}
            assert decided_again(row.explanation, row.seen, SHELF.get()).same is True
        assert {claim.job_id for claim in session.scalars(select(Claim))} == set(jobs)


def test_bells_that_ring_again_change_nothing(service: Service) -> None:
    service.inn.add_host("h1")
    jobs = service.jobs(3)
    service.place(jobs)
    before = service.inn.used(), [service.inn.job(job).last_seq for job in jobs]
    service.place(jobs)
    assert (service.inn.used(), [service.inn.job(job).last_seq for job in jobs]) == before


def test_a_batch_fills_the_hosts_to_the_brim_and_the_rest_is_told_why_not(service: Service) -> None:
    for n in range(2):
        service.inn.add_host(f"h{n}", memory_mib=512 + 4 * 256, vcpus=64)  # 4 vms each
    jobs = service.jobs(11)
    service.place(jobs)
    assert sorted(service.steps(jobs)) == ["build"] * 8 + ["release"] * 3
    assert service.books_balance()
    errors = [service.inn.job(job).error for job in jobs if service.inn.job(job).error]
    assert [error["code"] for error in errors if error] == ["no-host"] * 3


def test_a_batch_with_volumes_on_datastores_holds_no_more_there_than_there_is(service: Service) -> None:
    for name in ("h1", "h2", "bare"):
        service.inn.add_host(name, vcpus=64, facts={"capabilities": [*ABLE, "volume-attach"], "datastores": [name]})
    asked = DataDisks(("v",), datastores=(("fast", 4),)).params
    jobs = service.jobs(7)
    with service.database.write() as session:
        for host in ("id-h1", "id-h2"):
            note_datastores(session, host, [Datastore("fast", "nfs", 10)])
        session.execute(update(Job).where(Job.id.in_(jobs)).values(params=asked))
    service.place(jobs)
    assert sorted(service.steps(jobs)) == ["build"] * 4 + ["release"] * 3
    with service.database.read() as session:
        room = {row.host_id: row.used_gib for each in datastores_of(session).values() for row in each}
        claims = session.execute(select(Claim.host_id, Claim.datastores)).all()
        assert (room, {host for host, _ in claims}) == ({"id-h1": 8, "id-h2": 8}, {"id-h1", "id-h2"})
        assert all(held == {"fast": 4} for _, held in claims)
        for row in session.scalars(select(StoredDecision)):
            assert decided_again(row.explanation, row.seen, SHELF.get()).same is True
    errors = [error["detail"] for job in jobs if (error := service.inn.job(job).error)]
    assert all("left on its datastore 'fast', where 4 are asked for" in error for error in errors)


def test_what_one_job_asks_for_wrongly_is_its_own_affair(service: Service) -> None:
    service.inn.add_host("h1")
    good = service.jobs(3)
    bad = service.inn.add_vm("bad", policy="best")[1]
    service.place([good[0], bad, *good[1:]])
    assert service.steps(good) == ["build"] * 3
    assert (service.inn.job(bad).error or {})["code"] == "invalid"


def test_a_vm_that_holds_a_claim_keeps_its_host(service: Service) -> None:
    service.inn.add_host("h1")
    (job,) = service.jobs(1)
    service.place([job])
    with service.database.write() as session:
        session.execute(update(Job).values(step="place", queue="scheduler", state="running"))
    service.inn.add_host("better", vcpus=64, memory_mib=65536)
    service.place([job])
    assert service.inn.job(job).facts["place"]["host"] == "id-h1"
    assert service.inn.claimed() == {"id-h1": (1, 256, 1)}


@pytest.mark.parametrize(
    "meanwhile",
    [{"state": "draining"}, {"used_vcpus": 32, "used_memory_mib": 7680}, {"vcpus": 8, "memory_mib": 4096}],
)
def test_who_is_late_at_one_host_takes_the_runner_up(service: Service, meanwhile: dict[str, Any]) -> None:
    service.inn.add_host("h1", memory_mib=16384), service.inn.add_host("h2")
    service.place.roster.sync()
    first = service.place.roster.table.row("id-h1")
    assert first >= 0
    jobs = service.jobs(2)
    service.place.roster.sync = lambda at_once=False: None  # type: ignore[method-assign]  # it sees the hosts as they were
    service.inn.change_host("id-h1", **meanwhile)
    service.place(jobs)
    assert service.steps(jobs) == ["build"] * 2
    with service.database.read() as session:
        hosts = {claim.host_id for claim in session.scalars(select(Claim))}
        told = {e.data["host"] for e in session.scalars(select(JobEvent).where(JobEvent.kind == "step.finished"))}
        assert {row.host_id for row in session.scalars(select(StoredDecision))} == hosts == told
    if "vcpus" not in meanwhile:
        assert hosts == {"id-h2"}


def test_when_all_rooms_are_gone_the_step_is_run_again_later(service: Service) -> None:
    service.inn.add_host("h1")
    service.place.roster.sync()
    service.place.roster.sync = lambda at_once=False: None  # type: ignore[method-assign]
    (job,) = service.jobs(1)
    service.inn.change_host("id-h1", used_memory_mib=8192)
    service.place([job])
    row = service.inn.job(job)
    assert (row.step, row.attempt, row.lease_until) == ("place", 1, 0.0)
    assert service.inn.claimed() == {}


def test_a_job_that_another_holds_is_left_out_and_the_others_are_placed(service: Service) -> None:
    service.inn.add_host("h1")
    jobs = service.jobs(3)
    assert SqlJournal(service.database).claim(jobs[1], "scheduler", "another", 30.0) is not None
    service.place(jobs)
    assert service.steps(jobs) == ["build", "place", "build"]
    assert service.inn.used() == service.inn.claimed() == {"id-h1": (2, 512, 2)}
    table = service.place.roster.table
    assert int(table.used_vcpus[table.row("id-h1")]) == 2


def test_a_batch_that_is_broken_off_leaves_the_jobs_to_whoever_comes_next(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.inn.add_host("h1")
    jobs = service.jobs(3)
    with monkeypatch.context() as patched:
        broken_once(patched, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            service.place(jobs)
    table = service.place.roster.table
    assert int(table.used_vcpus[table.row("id-h1")]) == 0
    assert service.inn.claimed() == {}
    service.place(jobs)
    assert service.steps(jobs) == ["build"] * 3
    assert [service.inn.job(job).fence for job in jobs] == [1, 1, 1]


def broken_once(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    real, calls = GroupJournal.end, []

    def end(*given: Any) -> None:
        real(*given)
        calls.append(given)
        if len(calls) == 1:
            raise error

    monkeypatch.setattr(GroupJournal, "end", end)


def test_a_batch_whose_transaction_is_refused_is_carried_out_job_by_job(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.inn.add_host("h1")
    jobs = service.jobs(3)
    broken_once(monkeypatch, IntegrityError("", {}, Exception("no")))
    service.place(jobs)
    assert service.steps(jobs) == ["build"] * 3
    assert service.inn.used() == service.inn.claimed() == {"id-h1": (3, 768, 3)}


def test_a_transaction_that_is_repeated_counts_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.inn.add_host("h1")
    jobs = service.jobs(3)
    broken_once(monkeypatch, OperationalError("", {}, Exception("deadlock")))
    service.place(jobs)
    assert service.inn.used() == service.inn.claimed() == {"id-h1": (3, 768, 3)}
    table = service.place.roster.table
    assert int(table.used_vcpus[table.row("id-h1")]) == 3


def test_a_transaction_that_is_repeated_starts_from_the_table_as_it_was(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.inn.add_host("h1")
    service.place.roster.sync()
    service.place.roster.sync = lambda at_once=False: None  # type: ignore[method-assign]
    jobs = service.jobs(2)
    service.inn.change_host("id-h1", used_memory_mib=8192 - 512 - 256)
    broken_once(monkeypatch, OperationalError("", {}, Exception("deadlock")))
    service.place(jobs)
    # The first try found out how full the host is; one seat is left.
    assert sorted(service.steps(jobs)) == ["build", "release"]
    assert service.inn.claimed() == {"id-h1": (1, 256, 1)}


def test_who_loses_every_seat_when_its_time_is_up_is_told_what_is_in_the_way(service: Service) -> None:
    service.inn.add_host("h1")
    service.place.roster.sync()
    service.place.roster.sync = lambda at_once=False: None  # type: ignore[method-assign]
    (job,) = service.jobs(1)
    with service.database.write() as session:
        session.execute(update(Job).values(deadline_at=1.0))
    service.inn.change_host("id-h1", used_memory_mib=8192)
    service.place([job])
    assert (service.inn.job(job).error or {})["code"] == "no-host"


APART = "groups:\n  - {selector: {label: app}, rule: anti-affinity, scope: host, mode: hard}\n"


def test_vms_kept_apart_never_share_a_host_even_in_one_batch(database: Database) -> None:
    shelf = Shelf()
    shelf.active = read_policy(PLAIN.replace("WEIGHER", "pack").lstrip() + APART)
    service = Service(database, shelf)
    for n in range(3):
        service.inn.add_host(f"h{n}")
    jobs = service.jobs(4, labels={"app": "web"})
    service.place(jobs)
    assert sorted(service.steps(jobs)) == ["build"] * 3 + ["release"]
    with database.read() as session:
        places = session.scalars(select(ClaimGroup.place)).all()
    assert len(places) == len(set(places)) == 3
    assert service.books_balance()


def test_the_roster_finds_what_changed_part_by_part(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PART": 2, "LEAST_S": 0.0, "SHARE": 0}.items():
        monkeypatch.setattr(roster_module, name, value)
    for n in range(5):
        service.inn.add_host(f"h{n}")
    roster, parts = service.place.roster, 3
    roster.sync()
    service.inn.change_host("id-h1", state="draining", generation=3)
    service.inn.change_host("id-h4", used_vcpus=2, generation=4)
    for _ in range(parts):
        roster.sync()
    assert roster.table.view(roster.table.row("id-h1")).state == "draining"
    assert roster.table.view(roster.table.row("id-h4")).used_vcpus == 2
    assert roster.table.generation == 7
    with service.database.write() as session:
        session.execute(delete(Host).where(Host.id == "id-h4"))
    service.inn.add_host("new", generation=2, created_at=4e9)
    for _ in range(parts + 1):
        roster.sync()
    assert {host.id for host in roster.table.hosts()} == {f"id-h{n}" for n in range(4)} | {"id-new"}
    assert roster.table.generation == 5


def test_a_part_of_which_all_hosts_changed_is_read_without_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PART": 2, "LEAST_S": 0.0, "SHARE": 0, "MANY": 1}.items():
        monkeypatch.setattr(roster_module, name, value)
    for n in range(4):
        service.inn.add_host(f"h{n}")
    roster, read = service.place.roster, []
    roster.sync()

    def noting(session: Session, now: float, only: Sequence[str] = ()) -> Inventory:
        read.append(len(only))
        return load_inventory(session, now, only)

    monkeypatch.setattr(roster_module, "load_inventory", noting)
    for n in range(4):
        service.inn.change_host(f"id-h{n}", state="draining")
    for _ in range(2):
        roster.sync()
    assert read == [2, 2]
    assert {host.state for host in roster.table.hosts()} == {"draining"}


def changed(change: dict[str, Any]) -> Callable[[Inn], None]:
    return lambda inn: inn.change_host("id-h1", **change)


@pytest.mark.parametrize(
    "happens",
    [
        lambda inn: inn.add_host("new"),
        changed({"heartbeat_at": 1.0}),
        changed({"state": "draining"}),
        changed({"generation": 7, "used_vcpus": 2}),
    ],
)
def test_the_roster_follows_what_others_change(service: Service, happens: Callable[[Inn], None]) -> None:
    service.inn.add_host("h1")
    roster = service.place.roster
    roster.sync(at_once=True)
    happens(service.inn)
    roster.sync(at_once=True)
    with service.database.read() as session:
        hosts = {host.id: host for host in session.scalars(select(Host))}
    assert len(roster.table) == len(hosts)
    for host_id, host in hosts.items():
        row = roster.table.row(host_id)
        seen = roster.table.view(row)
        assert (seen.state, seen.used_vcpus) == (host.state, host.used_vcpus)
        assert (host.heartbeat_at == 1.0) is (float(roster.table.heartbeat_at[row]) < 1e9)
    with service.database.write() as session:
        session.query(Host).delete()
    roster.sync(at_once=True)
    assert len(roster.table) == 0
