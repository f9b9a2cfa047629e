# SPDX-License-Identifier: Apache-2.0
"""What is told of hosts, queues, drifts and jobs that end, by a real database of each kind; and what is withdrawn."""

import time
from math import isnan
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update

from services.common.contracts.journal import Changes
from services.common.contracts.states import HostState, JobState
from services.common.store.jobs import Job, JobEvent
from services.common.store.models import Host, Outbox, Vm
from services.conductor import pace
from services.conductor.gauges import Gauges
from services.conductor.state_of_the_house import StateOfTheHouse
from tests.integration.conductor.conftest import HOST, Room


def told(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_host_that_falls_silent_is_told_until_it_is_gone(room: Room) -> None:
    room.check_in()
    with room.database.write() as session:
        change = {"heartbeat_at": time.time() - 300, "vcpus": 8, "limit_vcpus": 16, "used_vcpus": 4}
        session.execute(update(Host).where(Host.id == HOST).values(**change))
    gauges = Gauges(room.database)
    gauges.refresh()
    assert 299 < (told("innkeeper_host_silence_seconds", host="alpha") or 0) < 360
    assert told("innkeeper_host_capacity", host="alpha", resource="vcpus") == 16
    assert told("innkeeper_host_claimed", host="alpha", resource="vcpus") == 4
    room.host_is(HostState.ASLEEP)  # one that sleeps has nothing to say
    gauges.refresh()
    assert told("innkeeper_host_silence_seconds", host="alpha") is None


def test_what_waits_too_long_is_told(room: Room) -> None:
    room.vm_id, room.job_id = room._opened(True, "mini")
    with room.database.write() as session:
        session.execute(update(Outbox).values(created_at=time.time() - 60))
        session.execute(update(Vm).where(Vm.id == room.vm_id).values(drift={"wanted": "ready"}))
    gauges = Gauges(room.database)
    gauges.refresh()
    assert 59 < (told("innkeeper_outbox_oldest_seconds") or 0) < 120
    assert told("innkeeper_jobs_overdue", queue="scheduler") == 0
    assert told("innkeeper_vms_drifted") == 1
    with room.database.write() as session:
        session.execute(update(JobEvent).where(JobEvent.job_id == room.job_id).values(at=time.time() - 60))
        session.execute(update(Job).where(Job.id == room.job_id).values(rung_at=time.time()))  # rung for, in vain
        pace.refresh(session)
    assert told("innkeeper_jobs_overdue", queue="scheduler") == 1


def test_who_keeps_house_no_longer_tells_nothing_of_it(room: Room) -> None:
    room.check_in()
    gauges = Gauges(room.database)
    gauges.refresh()
    gauges.forget()
    assert told("innkeeper_jobs", state="stalled") is None
    assert told("innkeeper_host_capacity", host="alpha", resource="vcpus") is None
    assert isnan(told("innkeeper_outbox_depth") or 0)


def test_a_job_that_ends_is_counted_with_the_time_it_took_and_only_if_it_was_committed(room: Room) -> None:
    room.check_in()
    ended = {"kind": "vm.create", "outcome": "failed"}
    before = told("innkeeper_job_seconds_count", **ended) or 0
    view = room.view()
    over = Changes(JobState.FAILED, view.step)
    with pytest.raises(KeyError):
        _broken_off(room, over)
    assert (told("innkeeper_job_seconds_count", **ended) or 0) == before
    assert room.journal.apply(view, over)
    assert told("innkeeper_job_seconds_count", **ended) == before + 1


def _broken_off(room: Room, over: Changes) -> None:
    with room.database.write() as session:
        room.journal.apply_in(session, room.view(), over)
        raise KeyError


def test_parts_that_are_away_and_keys_that_are_old_are_told_when_asked(tmp_path: Path) -> None:
    (tmp_path / "command.pem").write_text("x")
    parts, keys = StateOfTheHouse({"database": lambda: True, "redis": lambda: False}, tmp_path).collect()
    assert {s.labels["part"]: s.value for s in parts.samples} == {"database": 1.0, "redis": 0.0}
    assert [s.labels["file"] for s in keys.samples] == ["command.pem"]
