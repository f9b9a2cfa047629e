# SPDX-License-Identifier: Apache-2.0
"""A host's way to sleep and back, as jobs: its state changes by compare-and-swap, and no claim is ever asleep."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select, update

from services.common.contracts import advance
from services.common.contracts.codec import dump, load
from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import Conflict, InnkeeperError, TryAgain
from services.common.contracts.events import AgentEvent, AgentEventKind, HostFacts
from services.common.contracts.flow import Queue
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, StepContext
from services.common.contracts.states import HostState, JobState
from services.common.store.host_states import move_host
from services.common.store.jobs import Job
from services.common.store.models import Host, Project
from services.common.store.sleeping import Asker, put_to_sleep, wake_up
from services.conductor.recorder import Recorder
from services.worker.calling import Caller
from services.worker.controllers import Controllers
from services.worker.host_power import HostPower
from tests.integration.conductor.conftest import Room
from tests.support.hosts import add_host, add_vm
from tests.support.redfish import PASSWORD, RESET, USER, controller

FACTS = {"wake": {"mac": "52:54:00:12:34:56"}}


class Night:
    """One host, its jobs, and a caller that is heard by nobody unless a test lets it be."""

    def __init__(self, room: Room, controllers: Controllers | None = None, **values: Any):
        self.room, self.called = room, 0
        self.power = HostPower(room.database, Caller(controllers or Controllers(None), self._call))
        with room.database.write() as session:
            self.host = add_host(session, **{"facts": FACTS, **values})
            self.asker = Asker(session.scalars(select(Project.id)).one())

    def _call(self, how: Mapping[str, Any]) -> None:
        assert how["mac"] == FACTS["wake"]["mac"]
        self.called += 1

    def state(self) -> HostState:
        with self.room.database.read() as session:
            return HostState(session.get_one(Host, self.host).state)

    def sleep(self) -> str:
        with self.room.database.write() as session:
            return put_to_sleep(session, self.host, self.asker).id

    def wake(self) -> str:
        with self.room.database.write() as session:
            return wake_up(session, self.host, self.asker).id

    def job(self, job_id: str) -> Job:
        with self.room.database.read() as session:
            return session.get_one(Job, job_id)

    def work(self, job_id: str) -> None:
        """One step, as a worker does it, whenever it is due."""
        self.change(job_id, due_at=0.0)
        view = self.room.journal.claim(job_id, Queue.WORKER, "w", 30)
        assert view is not None
        now = time.time()
        try:
            outcome = self.power.handlers()[view.step](StepContext(view, lambda _percent, _text: None, now))
        except TryAgain as error:
            changes = advance.again(view, error, now)
        except InnkeeperError as error:
            changes = advance.failed(view, error)
        else:
            done = isinstance(outcome, Done)
            changes = advance.finished(view, outcome, now) if done else advance.parked(view, outcome, now, 60)  # type: ignore[arg-type]
        assert self.room.journal.apply(view, changes)

    def change(self, job_id: str, **values: Any) -> None:
        with self.room.database.write() as session:
            session.execute(update(Job).where(Job.id == job_id).values(**values))

    def hears(self, kind: AgentEventKind, data: dict[str, Any] | None = None, job_id: str = "") -> None:
        """The host says it; with a job, as an answer to its command."""
        about: dict[str, Any] = {}
        if job_id:
            command = load(Command, self.job(job_id).command or {})
            assert (command.verb, command.host) == (Verb.SLEEP, self.host)
            about = {"job": job_id, "step": command.step, "command": command.id, "fence": command.fence}
        event = AgentEvent(new_id(), kind, self.host, time.time(), data=data or {}, **about)
        recorder = Recorder(self.room.database, self.room.journal, self.room.feed, lambda _host: None, {})
        recorder.handle([(self.host, json.dumps(dump(event)))])

    def says_hello(self) -> None:
        self.hears(AgentEventKind.HELLO, dump(HostFacts("fake", "1", 16, 65536, 500, wake=FACTS["wake"])))


@pytest.fixture
def night(room: Room) -> Night:
    return Night(room)


def asleep(night: Night) -> Night:
    job_id = night.sleep()
    night.work(job_id)
    night.hears(AgentEventKind.DONE, {"slept": True}, job_id)
    night.work(job_id)
    assert (night.state(), night.job(job_id).state) == (HostState.ASLEEP, JobState.SUCCEEDED)
    return night


def test_an_empty_host_is_told_to_sleep_and_sleeps_once_it_has_said_so(night: Night) -> None:
    job_id = night.sleep()
    assert night.state() == HostState.FALLING_ASLEEP
    night.work(job_id)
    assert (night.job(job_id).state, night.state()) == (JobState.WAITING, HostState.FALLING_ASLEEP)
    night.hears(AgentEventKind.DONE, {"slept": True}, job_id)
    night.work(job_id)
    assert (night.job(job_id).state, night.state()) == (JobState.SUCCEEDED, HostState.ASLEEP)


def test_a_host_with_a_claim_does_not_sleep(night: Night) -> None:
    with night.room.database.write() as session:
        add_vm(session, night.host)
    with pytest.raises(Conflict, match="holds room"):
        night.sleep()
    assert night.state() == HostState.UP


@pytest.mark.parametrize("state", [s for s in HostState if s != HostState.UP])
def test_only_a_host_that_is_up_can_sleep(room: Room, state: HostState) -> None:
    with pytest.raises(Conflict, match=f"is {state}"):
        Night(room, state=str(state)).sleep()


def test_a_host_nobody_could_wake_is_not_put_to_sleep(room: Room) -> None:
    with pytest.raises(Conflict, match="wake_on_lan"):
        Night(room, facts={}).sleep()


def test_two_who_ask_at_once_open_one_job(night: Night) -> None:
    night.sleep()
    with pytest.raises(Conflict, match="falling-asleep"):
        night.sleep()


def test_a_host_that_refuses_to_sleep_is_used_again(night: Night) -> None:
    job_id = night.sleep()
    night.work(job_id)
    night.hears(AgentEventKind.FAILED, {"code": "host-failed", "detail": "1 vms run", "again": False}, job_id)
    night.work(job_id)
    assert (night.job(job_id).state, night.state()) == (JobState.FAILED, HostState.UP)


def test_a_host_that_fell_silent_without_an_answer_is_down(night: Night) -> None:
    job_id = night.sleep()
    night.work(job_id)
    with night.room.database.write() as session:
        session.execute(update(Host).where(Host.id == night.host).values(heartbeat_at=time.time() - 60))
    night.change(job_id, deadline_at=time.time() - 1)
    night.room.sweeper.stall_overdue()
    assert night.job(job_id).state == JobState.STALLED


def test_a_late_heartbeat_wakes_nobody_and_a_hello_does(night: Night) -> None:
    asleep(night)
    beat = {"cpu_percent": 1.0, "memory_used_mib": 0, "disk_used_gib": 0.0, "watts": 5.0, "watts_source": "rapl"}
    night.hears(AgentEventKind.HEARTBEAT, beat)
    assert night.state() == HostState.ASLEEP
    night.says_hello()
    assert night.state() == HostState.UP


def test_a_host_that_goes_on_speaking_is_awake(night: Night) -> None:
    asleep(night)
    with night.room.database.write() as session:
        session.execute(update(Host).where(Host.id == night.host).values(updated_at=time.time() - 30))
    beat = {"cpu_percent": 1.0, "memory_used_mib": 0, "disk_used_gib": 0.0, "watts": 5.0, "watts_source": "rapl"}
    night.hears(AgentEventKind.HEARTBEAT, beat)
    assert night.state() == HostState.UP


def test_a_host_is_called_until_it_speaks(night: Night) -> None:
    asleep(night)
    job_id = night.wake()
    for _ in range(3):
        night.work(job_id)
    assert (night.called, night.state()) == (3, HostState.WAKING)
    night.says_hello()
    night.work(job_id)
    assert (night.called, night.state(), night.job(job_id).state) == (3, HostState.UP, JobState.SUCCEEDED)


def test_a_host_that_never_speaks_is_given_up_and_told(night: Night) -> None:
    asleep(night)
    job_id = night.wake()
    night.work(job_id)
    night.change(job_id, deadline_at=time.time() - 1)
    night.work(job_id)
    night.work(job_id)
    job = night.job(job_id)
    assert (job.state, night.state()) == (JobState.FAILED, HostState.DOWN)
    assert "has not spoken yet" in (job.error or {})["detail"]


def test_a_move_the_table_does_not_have_is_not_made(room: Room) -> None:
    night = Night(room, state=str(HostState.ASLEEP))
    with room.database.write() as session:
        assert not move_host(session, night.host, HostState.DRAINING)
    assert night.state() == HostState.ASLEEP


def test_a_host_that_no_packet_reaches_is_switched_on_by_its_controller(room: Room, tmp_path: Path) -> None:
    with controller(tmp_path) as bmc:
        (tmp_path / "password").write_text(PASSWORD)
        asked = {"url": bmc.url, "user": USER, "password_file": str(tmp_path / "password"), "ca_file": str(bmc.ca_file)}
        file = tmp_path / "controllers.yaml"
        file.write_text(yaml.safe_dump({"cellar": {"redfish": asked}}))
        facts = {"wake": {**FACTS["wake"], "controller": "redfish"}}
        night = Night(room, Controllers(file), name="cellar", facts=facts, state=str(HostState.ASLEEP))
        job_id = night.wake()
        night.work(job_id)
        assert (night.called, bmc.posted) == (1, [])
        night.work(job_id)
        night.work(job_id)
        assert (night.called, bmc.posted) == (2, [(RESET, {"ResetType": "On"})])
    night.says_hello()
    night.work(job_id)
    assert (night.state(), night.job(job_id).state) == (HostState.UP, JobState.SUCCEEDED)
    assert PASSWORD not in str([night.job(job_id).params, night.job(job_id).facts, night.job(job_id).error])


def test_a_host_whose_only_way_refuses_for_good_is_given_up_at_once(room: Room) -> None:
    night = Night(room, facts={"wake": {"controller": "ipmi"}}, state=str(HostState.ASLEEP))
    job_id = night.wake()
    night.work(job_id)
    night.work(job_id)
    assert (night.job(job_id).state, night.state()) == (JobState.FAILED, HostState.DOWN)
    assert "INNKEEPER_CONTROLLERS_FILE" in (night.job(job_id).error or {})["detail"]


def test_ways_that_a_policy_does_not_admit_are_none(room: Room) -> None:
    night = Night(room, facts={"wake": {"controller": "ipmi"}}, state=str(HostState.ASLEEP))
    with pytest.raises(Conflict, match="no wol"), night.room.database.write() as session:
        wake_up(session, night.host, night.asker, ["wol"])
