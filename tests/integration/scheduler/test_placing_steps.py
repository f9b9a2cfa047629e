# SPDX-License-Identifier: Apache-2.0
"""The steps `place` and `release` as the engine runs them, on real databases."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.common.contracts import advance
from services.common.contracts.codec import load
from services.common.contracts.errors import Invalid, NoHost, NotYet, TryAgain
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, JobView, StepContext
from services.common.contracts.masking import masked_host
from services.common.contracts.placement import Decision
from services.common.store.catalogue import AddressLease, Network
from services.common.store.database import Database
from services.common.store.hosts import StoredDecision
from services.common.store.jobs import JobEvent
from services.common.store.journal import SqlJournal
from services.common.store.vms import Vm
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_file import Shelf
from services.scheduler.steps import Placer
from tests.support.inn import NOW, Inn
from tests.support.placing import PLAIN, SHELF


class Desk:
    """Runs a job's present step by hand, as the worker does, stopping in between where a test wants to."""

    def __init__(self, database: Database):
        self.database = database
        self.inn = Inn(database)
        self.journal = SqlJournal(database)
        self.placer = Placer(database, SHELF)

    def claim(self, job_id: str, lease_s: float = 30.0) -> JobView:
        view = self.journal.claim(job_id, "scheduler", "desk", lease_s)
        assert view is not None
        return view

    def place(self, job: JobView) -> Done:
        return self.placer.place(StepContext(job, lambda _percent, _text: None, NOW + 1))

    def release(self, job: JobView) -> Done:
        return self.placer.release(StepContext(job, lambda _percent, _text: None, NOW + 1))

    def end(self, job: JobView, done: Done) -> bool:
        return self.journal.apply(job, advance.finished(job, done))

    def decisions(self) -> list[StoredDecision]:
        with self.database.read() as session:
            return list(session.scalars(select(StoredDecision)))


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_place_claims_and_writes_down_host_facts_and_explanation(desk: Desk) -> None:
    host = desk.inn.add_host("h1", power_curve=[10.0, 50.0])
    vm, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)
    assert desk.end(job, desk.place(job))
    assert desk.inn.vm(vm).host_id == host
    assert desk.inn.used() == desk.inn.claimed() == {host: (1, 256, 1)}
    facts = desk.inn.job(job_id).facts["place"]
    assert (facts["host"], facts["host_name"], facts["policy"]) == (host, "h1", "balanced")
    (stored,) = desk.decisions()
    told = load(Decision, stored.explanation)
    assert (told.host, told.candidates[0].score, told.watts) == (host, facts["score"], facts["watts"])
    assert told.policy_sha == stored.policy_sha == SHELF.active.sha256


def test_nothing_is_claimed_before_the_step_ends(desk: Desk) -> None:
    host = desk.inn.add_host("h1")
    _, job_id = desk.inn.add_vm("web")
    desk.place(desk.claim(job_id))
    assert desk.inn.used() == {host: (0, 0, 0)}


def test_a_second_run_keeps_the_host_even_when_a_better_one_came_up(desk: Desk) -> None:
    desk.inn.add_host("h1")
    vm, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)
    first = desk.place(job)
    assert desk.end(job, first)
    desk.inn.add_host("better", vcpus=64, memory_mib=65536)
    second = desk.place(job)
    assert second.facts == first.facts
    assert second.write
    with desk.database.write() as session:
        second.write(session)
    assert desk.inn.claimed() == {"id-h1": (1, 256, 1)}
    assert desk.inn.vm(vm).host_id == "id-h1"


def test_a_worker_that_lost_its_lease_claims_nothing(desk: Desk) -> None:
    host = desk.inn.add_host("h1")
    _, job_id = desk.inn.add_vm("web")
    slow = desk.claim(job_id, lease_s=-1.0)
    done = desk.place(slow)
    quick = desk.claim(job_id)
    assert not desk.end(slow, done)
    assert desk.inn.used() == {host: (0, 0, 0)}
    assert desk.end(quick, desk.place(quick))
    assert desk.inn.used() == desk.inn.claimed() == {host: (1, 256, 1)}


def test_the_runner_up_is_taken_when_others_were_faster_and_everything_says_so(desk: Desk) -> None:
    desk.inn.add_host("h1", vcpus=2)
    desk.inn.add_host("h2")
    vm, job_id = desk.inn.add_vm("web", host="")
    job = desk.claim(job_id)
    done = desk.place(job)
    winner = done.facts["host"]
    desk.inn.change_host(winner, state="maintenance")
    assert desk.end(job, done)
    other = ({"id-h1", "id-h2"} - {winner}).pop()
    assert desk.inn.vm(vm).host_id == other
    assert desk.inn.job(job_id).facts["place"]["host"] == other
    (stored,) = desk.decisions()
    assert stored.host_id == stored.explanation["host"] == other
    with desk.database.read() as session:
        told = session.scalars(select(JobEvent).where(JobEvent.kind == "step.finished")).one()
    assert told.data["host"] == other
    assert desk.inn.claimed() == {other: (1, 256, 1)}


def test_a_repeated_transaction_that_gets_the_first_choice_after_all_says_so(desk: Desk) -> None:
    desk.inn.add_host("h1", vcpus=2)
    desk.inn.add_host("h2")
    vm, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)
    done = desk.place(job)
    winner = done.facts["host"]
    desk.inn.change_host(winner, state="maintenance")

    def broken_off() -> None:
        with desk.database.write() as session:
            assert done.write is not None
            done.write(session)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert done.facts["host"] != winner
    desk.inn.change_host(winner, state="up")
    assert desk.end(job, done)
    assert desk.inn.vm(vm).host_id == desk.inn.job(job_id).facts["place"]["host"] == winner


def test_when_all_rooms_are_gone_the_step_is_run_again(desk: Desk) -> None:
    host = desk.inn.add_host("h1")
    _, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)
    done = desk.place(job)
    desk.inn.change_host(host, used_memory_mib=8192)
    with pytest.raises(TryAgain):
        desk.end(job, done)
    assert desk.decisions() == []
    with pytest.raises(NoHost):
        desk.place(job)


def test_no_host_says_why_what_would_fit_and_keeps_the_explanation(desk: Desk) -> None:
    desk.inn.add_host("secret-name", memory_mib=2048)
    vm, job_id = desk.inn.add_vm("web", memory_mib=4096)
    job = desk.claim(job_id)
    for _ in range(2):
        with pytest.raises(NoHost) as raised:
            desk.place(job)
    assert "lacks 2560 MiB of memory" in raised.value.detail
    assert "takes it with 1536 MiB of memory instead of 4096" in raised.value.detail
    told = load(Decision, raised.value.extra["explanation"])
    assert told.relaxations[0].fits == "1536"
    assert "secret-name" not in raised.value.detail + str(raised.value.extra)
    (stored,) = desk.decisions()
    assert (stored.vm_id, stored.host_id) == (vm, None)
    assert "secret-name" in str(stored.explanation)


def test_the_job_of_who_names_a_host_tells_about_it_by_a_mask_and_the_decision_by_name(desk: Desk) -> None:
    host = desk.inn.add_host("h1", state="maintenance")
    _, job_id = desk.inn.add_vm("web", host=host)
    with pytest.raises(NoHost, match=f"{masked_host(host)} is maintenance, not up") as raised:
        desk.place(desk.claim(job_id))
    assert host not in raised.value.detail + str(raised.value.extra)
    (stored,) = desk.decisions()
    assert stored.explanation["misses"][0]["reason"].startswith("h1 is maintenance")


def test_a_policy_lets_a_vm_wait_for_room_until_its_deadline(desk: Desk, tmp_path: Path) -> None:
    patient = tmp_path / "patient.yaml"
    waits = "on_no_host: {retry: {after: capacity_change, deadline: 10m}}\n"
    patient.write_text(PLAIN.replace("WEIGHER", "spread").lstrip() + waits)
    desk.placer = Placer(desk.database, Shelf(patient))
    _, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)

    def after(seconds: float) -> StepContext:
        return StepContext(job, lambda _percent, _text: None, job.created_at + seconds)

    with pytest.raises(NotYet) as raised:
        desk.placer.place(after(1))
    put_off = advance.again(job, raised.value, job.created_at + 60)  # long after what the step itself is given
    assert (put_off.step, put_off.deadline_at) == ("place", job.created_at + 600)
    assert desk.journal.apply(job, put_off)
    with pytest.raises(NoHost):
        desk.placer.place(after(601))
    host = desk.inn.add_host("h1")
    assert desk.placer.place(after(2)).facts["host"] == host


def test_without_any_host_the_way_out_is_named(desk: Desk) -> None:
    _, job_id = desk.inn.add_vm("web")
    with pytest.raises(NoHost, match="register one"):
        desk.place(desk.claim(job_id))


def test_the_policy_a_vm_asks_for_is_used_and_an_unknown_one_refused(desk: Desk) -> None:
    desk.inn.add_host("h1", memory_mib=65536)
    _, job_id = desk.inn.add_vm("web", policy="energy-first")
    assert desk.place(desk.claim(job_id)).facts["policy"] == "energy-first"
    _, job_id = desk.inn.add_vm("web2", policy="best")
    with pytest.raises(Invalid, match="no policy 'best'"):
        desk.place(desk.claim(job_id))


def test_release_gives_back_capacity_and_addresses_and_may_be_repeated(desk: Desk) -> None:
    host = desk.inn.add_host("h1")
    vm, job_id = desk.inn.add_vm("web")
    job = desk.claim(job_id)
    assert desk.end(job, desk.place(job))
    with desk.database.write() as session:
        network = session.scalars(select(Network.id)).first()
        for owner, address in ((vm, "10.77.0.5"), (new_id(), "10.77.0.6")):
            session.add(AddressLease(network_id=network, address=address, vm_id=owner, mac="", created_at=NOW))
    for _ in range(2):
        write = desk.release(job).write
        assert write
        with desk.database.write() as session:
            write(session)
    assert desk.inn.used() == {host: (0, 0, 0)}
    assert desk.inn.vm(vm).host_id is None
    with desk.database.read() as session:
        assert list(session.scalars(select(AddressLease.address))) == ["10.77.0.6"]


def test_many_jobs_at_once_fill_the_hosts_to_the_brim_and_not_beyond(desk: Desk) -> None:
    hosts = [desk.inn.add_host(f"h{n}", memory_mib=512 + 4 * 256, vcpus=64) for n in range(3)]  # 4 vms each
    jobs = [desk.inn.add_vm(f"vm{n}")[1] for n in range(16)]
    outcomes: list[str] = []

    def work(job_id: str) -> None:
        job = desk.claim(job_id, lease_s=60)
        while True:
            try:
                assert desk.end(job, desk.place(job))
                outcomes.append("placed")
                return
            except TryAgain:
                continue
            except NoHost:
                outcomes.append("no-host")
                return

    threads = [threading.Thread(target=work, args=(job_id,)) for job_id in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["no-host"] * 4 + ["placed"] * 12
    assert desk.inn.used() == desk.inn.claimed() == {host: (4, 1024, 4) for host in hosts}


KILLED = """
import os, signal, sys
from services.common.store.database import database_from_url
from tests.integration.scheduler.test_placing_steps import Desk
desk = Desk(database_from_url(sys.argv[1]))
job = desk.claim(sys.argv[2], lease_s=-1.0)
done = desk.place(job)
def write(session):
    done.write(session)
    if sys.argv[3] == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "before":
    os.kill(os.getpid(), signal.SIGKILL)
from dataclasses import replace
desk.end(job, replace(done, write=write))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("moment", "claimed"), [("before", 0), ("inside", 0), ("after", 1)])
def test_a_kill_between_choice_and_claim_harms_nothing(desk: Desk, moment: str, claimed: int) -> None:
    host = desk.inn.add_host("h1")
    _, job_id = desk.inn.add_vm("web")
    url = desk.database.url.render_as_string(hide_password=False)
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": os.getcwd()}
    code = subprocess.run([sys.executable, "-c", KILLED, url, job_id, moment], env=environment, check=False).returncode
    assert code == -9
    _settled(desk, {host: (claimed, 256 * claimed, claimed)})
    if not claimed:
        job = desk.claim(job_id)
        assert desk.end(job, desk.place(job))
    assert desk.inn.used() == desk.inn.claimed() == {host: (1, 256, 1)}


def _settled(desk: Desk, expected: dict[str, tuple[int, int, int]]) -> None:
    # PostgreSQL notices a dead client, and takes its transaction back, a moment later.
    until = time.monotonic() + 10
    while desk.inn.used() != expected:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_inventory_counts_the_members_of_each_projects_groups(desk: Desk) -> None:
    host = desk.inn.add_host("h1")
    for name in ("web-1", "web-2"):
        vm, job_id = desk.inn.add_vm(name, labels={"app": "web"})
        job = desk.claim(job_id)
        assert desk.end(job, desk.place(job))
    with desk.database.read() as session:
        project = session.get_one(Vm, vm).project_id
        (seen,) = load_inventory(session, NOW).hosts
    assert (seen.id, seen.vms, seen.members) == (host, 2, {f"{project}:app=web": 2})
