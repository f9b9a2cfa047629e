# SPDX-License-Identifier: Apache-2.0
"""A host where steps fail is told from the others for a while."""

import json
import time

import pytest
from sqlalchemy import delete, select, update

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.store.host_failures import HALF_LIFE_S, HostFailure, count_failure, failures
from services.common.store.models import Host, Job
from services.conductor.recorder import Recorder
from tests.integration.conductor.conftest import HOST, Room
from tests.support.hosts import add_host


def test_half_of_a_failure_is_left_after_an_hour_and_nothing_of_it_with_its_host(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session)
        count_failure(session, host, 1000.0)
        count_failure(session, host, 1000.0 + HALF_LIFE_S)
        count_failure(session, "gone", 1000.0)
    with room.database.read() as session:
        assert failures(session, 1000.0 + HALF_LIFE_S) == {host: 1.5}
        assert failures(session, 1000.0 + 2 * HALF_LIFE_S) == {host: 0.75}
        assert failures(session, 1000.0 + 100 * HALF_LIFE_S) == {}
    with room.database.write() as session:
        session.execute(delete(Host).where(Host.id == host))
        assert session.scalars(select(HostFailure)).all() == []


@pytest.mark.parametrize(("kind", "expected"), [(AgentEventKind.FAILED, 1.0), (AgentEventKind.REFUSED, None)])
def test_what_an_agent_could_not_do_is_counted_and_what_it_would_not_is_not(
    room: Room, kind: AgentEventKind, expected: float | None
) -> None:
    room.check_in()
    with room.database.write() as session:
        session.execute(update(Job).where(Job.id == room.job_id).values(command={"id": "c1"}))
    recorder = Recorder(room.database, room.journal, room.feed, lambda _host: None, {})
    data = {"code": "host-failed", "detail": "tombstone", "reason": "tombstone", "again": False}
    step = room.job().step
    event = AgentEvent(new_id(), kind, HOST, time.time(), room.vm_id, room.job_id, step, "c1", data=data)
    recorder.handle([(HOST, json.dumps(dump(event)))])
    assert room.job().state == "undoing"
    with room.database.read() as session:
        found = failures(session, time.time()).get(HOST)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.01))
