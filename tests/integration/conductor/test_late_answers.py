# SPDX-License-Identifier: Apache-2.0
"""A host that answers after its job was given up on: the job goes on by itself, as the answer says."""

import json
import time
from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.codec import dump
from services.common.contracts.commands import Command, Verb
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.states import JobState
from services.common.store import control
from services.common.store.host_failures import failures
from services.common.store.jobs import Job
from services.conductor.recorder import Recorder
from tests.integration.conductor.conftest import HOST, Room

FAILED, DONE = AgentEventKind.FAILED, AgentEventKind.DONE


def given_up_on(room: Room, step: str = "start", **values: Any) -> Command:
    """The job waits for its host at `step`, for too long; the command it sent."""
    room.check_in()
    command = Command(new_id(), Verb.START, HOST, room.vm_id, room.job_id, step, 1, "platform", 60.0)
    room.change(step=step, command=dump(command), deadline_at=time.time() - 1, **values)
    room.sweeper.stall_overdue()
    assert room.job().state == "stalled"
    return command


def answers(room: Room, command: str, kind: AgentEventKind = DONE, **data: Any) -> None:
    """The host's agent has done it, or not."""
    recorder = Recorder(room.database, room.journal, room.feed, lambda _host: None, {})
    step = room.job().step
    event = AgentEvent(new_id(), kind, HOST, time.time(), room.vm_id, room.job_id, step, command, data=data)
    recorder.handle([(HOST, json.dumps(dump(event)))])


def test_what_was_done_after_all_is_done(room: Room) -> None:
    command = given_up_on(room)
    answers(room, command.id, started=True)
    job = room.job()
    assert (job.state, job.step, job.error) == ("waiting", "install", {})
    assert job.facts["start"] == {"started": True}
    assert (job.deadline_at or 0.0) > time.time()
    assert room.told("job.resumed") == [("the host answered after all", {})]
    answers(room, command.id, started=True)
    assert room.job().step == "install", "an answer that comes again ends nothing"


def test_the_answer_to_another_command_leaves_it_as_it_is(room: Room) -> None:
    given_up_on(room)
    answers(room, "another")
    assert room.job().state == "stalled"


def test_what_failed_after_all_is_walked_back_and_counts_against_the_host(room: Room) -> None:
    command = given_up_on(room)
    answers(room, command.id, FAILED, code="host-failed", detail="no such disk", again=False)
    job = room.job()
    assert (job.state, (job.error or {})["detail"]) == ("undoing", "no such disk")
    with room.database.read() as session:
        assert failures(session, time.time())[HOST].amount == pytest.approx(1.0, abs=0.01)


def test_that_the_host_would_try_again_is_no_progress(room: Room) -> None:
    command = given_up_on(room)
    answers(room, command.id, FAILED, detail="busy", again=True)
    job = room.job()
    assert (job.state, (job.error or {})["code"]) == ("stalled", "stalled")


def test_an_undo_is_gone_on_with_when_it_was_done_and_not_when_it_failed(room: Room) -> None:
    command = given_up_on(room, "erase", state="undo-waiting", undo=["erase", "discard", "release"])
    answers(room, command.id, FAILED, detail="no answer", again=False)
    assert room.job().state == "stalled"
    answers(room, command.id)
    job = room.job()
    assert (job.state, job.step, job.undo) == ("undoing", "discard", ["discard", "release"])


def test_who_was_faster_decides(room: Room) -> None:
    command = given_up_on(room)
    with room.database.write() as session:
        control.rollback(session, session.get_one(Job, room.job_id), room.journal)
    answers(room, command.id)
    assert room.job().state == "undoing"


def test_a_retry_asks_anew_and_takes_the_late_answer_for_none(room: Room) -> None:
    command = given_up_on(room)
    with room.database.write() as session:
        control.retry(session, session.get_one(Job, room.job_id), room.journal)
        session.execute(update(Job).where(Job.id == room.job_id).values(lease_until=time.time() + 30))
    answers(room, command.id)
    job = room.job()
    assert (job.state, job.step, job.command) == (str(JobState.RUNNING), "start", None)
