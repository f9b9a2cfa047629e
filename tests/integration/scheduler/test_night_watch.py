# SPDX-License-Identifier: Apache-2.0
"""The night watch on a real database: idle hosts sleep by jobs, needed ones are woken, and a claim always wins."""

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.ids import new_id
from services.common.contracts.placement import Request
from services.common.contracts.states import HostState, JobState
from services.common.store.database import Database
from services.common.store.models import Claim, Host, Job, StoredDecision
from services.common.store.sleeping import Asker, put_to_sleep
from services.scheduler.claims import Claimant, hold
from services.scheduler.inventory import load_inventory
from services.scheduler.night_watch import NightWatch
from services.scheduler.policy import Power
from tests.support.hosts import add_host, add_vm
from tests.support.placing import plain_policy

FACTS = {"wake": {"mac": "52:54:00:12:34:56"}}
POLICY = replace(plain_policy(), power=Power(600.0, 1, 0, ("wol",)))


class Evening:
    """Hosts that can be woken, and a watch whose clock a test sets."""

    def __init__(self, database: Database):
        self.database, self.now, self.policy = database, time.time(), POLICY
        self.watch = NightWatch(database, lambda: self.policy, lambda: self.now)

    def host(self, name: str, vms: int = 0, **values: Any) -> str:
        with self.database.write() as session:
            host = add_host(session, name, **{"facts": FACTS, **values})
            for _ in range(vms):
                add_vm(session, host)
        return host

    def state(self, host: str) -> HostState:
        with self.database.read() as session:
            return HostState(session.get_one(Host, host).state)

    def jobs(self) -> list[tuple[str, str]]:
        with self.database.read() as session:
            return [(job.kind, job.params["host"]) for job in session.scalars(select(Job).order_by(Job.id))]

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.watch.look()


@pytest.fixture
def evening(database: Database) -> Evening:
    return Evening(database)


def test_a_host_sleeps_once_it_was_idle_for_as_long_as_the_policy_says(evening: Evening) -> None:
    busy, idle = evening.host("busy", vms=1), evening.host("idle")
    evening.later(0)
    evening.later(599)
    assert evening.jobs() == []
    evening.later(2)
    assert evening.jobs() == [("host.sleep", idle)]
    assert (evening.state(busy), evening.state(idle)) == (HostState.UP, HostState.FALLING_ASLEEP)
    evening.later(1000)
    assert len(evening.jobs()) == 1


def test_a_vm_in_between_begins_the_time_anew(evening: Evening) -> None:
    evening.host("busy", vms=1)
    idle = evening.host("idle")
    evening.later(0)
    with evening.database.write() as session:
        vm = add_vm(session, idle)
    evening.later(500)
    with evening.database.write() as session:
        session.delete(session.get_one(Claim, vm))
        session.execute(update(Host).where(Host.id == idle).values(used_vcpus=0, used_memory_mib=0, used_disk_gib=0))
    evening.later(500)
    evening.later(599)
    assert evening.jobs() == []
    evening.later(2)
    assert evening.jobs() == [("host.sleep", idle)]


def test_without_a_word_in_the_policy_nothing_happens(evening: Evening) -> None:
    evening.policy = plain_policy()
    evening.host("busy", vms=1)
    evening.host("idle")
    evening.later(0)
    evening.later(10_000)
    assert evening.jobs() == []


def test_a_vm_that_found_no_host_wakes_one(evening: Evening) -> None:
    evening.host("busy", vms=1)
    sleeper = evening.host("sleeper", state=str(HostState.ASLEEP))
    evening.later(0)
    assert evening.jobs() == []
    row: dict[str, Any] = {"policy": "p", "policy_sha": "s", "generation": 0, "explanation": {}}
    ids = {key: new_id() for key in ("id", "project_id", "job_id", "vm_id")}
    with evening.database.write() as session:
        session.add(StoredDecision(**ids, **row, host_id=None, created_at=evening.now))
    evening.later(1)
    assert evening.jobs() == [("host.wake", sleeper)]
    assert evening.state(sleeper) == HostState.WAKING


def test_a_sleep_that_nobody_answered_is_taken_back(evening: Evening) -> None:
    evening.policy = plain_policy()
    host = evening.host("silent")
    with evening.database.write() as session:
        job = put_to_sleep(session, host, Asker(new_id())).id
    with evening.database.write() as session:
        stalled = {"state": str(JobState.STALLED), "step": "fall-asleep"}
        session.execute(update(Job).where(Job.id == job).values(**stalled))
    evening.later(0)
    with evening.database.read() as session:
        assert session.get_one(Job, job).state == JobState.UNDOING


def test_a_claim_that_was_chosen_before_the_host_fell_asleep_is_not_made(evening: Evening) -> None:
    host = evening.host("idle")
    with evening.database.read() as session:
        seen = load_inventory(session, evening.now).host(host)
    assert seen is not None
    request = Request(id=new_id(), vcpus=1, memory_mib=256, disk_gib=1)
    with evening.database.write() as session:
        put_to_sleep(session, host, Asker(new_id()))
    claimant = Claimant(request.id, new_id(), evening.now)
    with evening.database.write() as session:
        assert not hold(session, claimant, request, seen, POLICY.capacity.limits(seen))


def test_a_second_watch_leaves_it_to_the_first(evening: Evening) -> None:
    evening.host("busy", vms=1)
    evening.host("idle")
    evening.later(0)
    other = NightWatch(evening.database, lambda: POLICY, lambda: evening.now + 10_000)
    other.look()
    other.look()
    assert evening.jobs() == []
