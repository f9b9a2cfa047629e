# SPDX-License-Identifier: Apache-2.0
"""A host where steps fail is told from the others for a while."""

import json
import time

import pytest
from sqlalchemy import delete, select, update

from services.common.contracts.codec import dump
from services.common.contracts.errors import Invalid
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.store.host_failures import HALF_LIFE_S, HostFailure, count_failure, failures
from services.common.store.models import Host, Job
from services.conductor.recorder import Recorder
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_file import read_policy
from tests.integration.conductor.conftest import HOST, Room
from tests.support.hosts import add_host
from tests.support.placing import PLAIN, a_request


def test_half_of_a_failure_is_left_after_an_hour_and_nothing_of_it_with_its_host(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session)
        count_failure(session, host, 1000.0)
        count_failure(session, host, 1000.0 + HALF_LIFE_S)
        count_failure(session, "gone", 1000.0)
    with room.database.read() as session:
        assert failures(session, 1000.0 + HALF_LIFE_S)[host].amount == 1.5
        assert failures(session, 1000.0 + 2 * HALF_LIFE_S)[host].amount == 0.75
        assert failures(session, 1000.0 + 100 * 86400) == {}
    with room.database.write() as session:
        session.execute(delete(Host).where(Host.id == host))
        assert session.scalars(select(HostFailure)).all() == []


def test_every_half_life_that_a_policy_may_choose_is_kept(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session)
        count_failure(session, host, 1000.0)
        count_failure(session, host, 1600.0)
    with room.database.read() as session:
        assert failures(session, 1600.0)[host].others == (1.5, 1 + 0.5 ** (600 / 21600), 1 + 0.5 ** (600 / 86400))
        found = {view.id: view for view in load_inventory(session, 2200.0).hosts}[host]
    assert found.failed[0] == 0.75
    weighers = [read_policy(_text(half_life)).weighers[0].weigher for half_life in ("10m", "1h", "6h", "1d")]
    norms = [weigher.norm(a_request(), found) for weigher in weighers]
    assert norms == sorted(norms)
    assert norms[0] == 0.75 / 1.75
    with pytest.raises(Invalid, match="use one of: 10m, 1d, 1h, 6h"):
        read_policy(_text("2h"))


def _text(half_life: str) -> str:
    return PLAIN.replace("type: WEIGHER", f"type: failures, multiplier: -1, half_life: {half_life}").lstrip()


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
        failed = failures(session, time.time()).get(HOST)
    found = failed.amount if failed else None
    assert found == (None if expected is None else pytest.approx(expected, abs=0.01))
