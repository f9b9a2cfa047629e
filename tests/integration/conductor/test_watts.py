# SPDX-License-Identifier: Apache-2.0
"""From a heartbeat to the gauges: whose the watts are, and what is told when a host has gone."""

import json
import time

from prometheus_client import REGISTRY
from sqlalchemy import delete

from services.common.contracts.codec import dump
from services.common.contracts.events import AgentEvent, AgentEventKind, Telemetry
from services.common.contracts.ids import new_id
from services.common.store.host_power import host_powers
from services.common.store.models import Claim, Host, Vm
from services.conductor.power_gauges import PowerGauges
from services.conductor.recorder import Recorder
from tests.integration.conductor.conftest import Room
from tests.support.hosts import add_host, add_vm

CURVE = [100.0] * 11


def beats(room: Room, host: str, watts: float, **cores: float) -> None:
    recorder = Recorder(room.database, room.journal, room.feed, lambda _host: None, {})
    told = dump(Telemetry(10.0, 0, 0.0, watts, "rapl", len(cores), cores))
    event = AgentEvent(new_id(), AgentEventKind.HEARTBEAT, host, time.time(), data=told)
    recorder.handle([(host, json.dumps(dump(event)))])


def test_a_heartbeat_s_cpu_times_share_out_its_watts(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session, power_curve=CURVE)
        one, other = add_vm(session, host), add_vm(session, host)
    beats(room, host, 180.0, **{one: 3.0, other: 1.0})
    beats(room, host, 140.0, **{one: 0.0, other: 1.0})
    with room.database.read() as session:
        found = host_powers(session, time.time(), [host])[host]
        assert "vm_cores" not in session.get_one(Host, host).telemetry
    assert {vm: share.watts for vm, share in found.shares.items()} == {one: 50.0, other: 90.0}


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_thirstiest_vms_are_told_one_by_one_and_the_rest_as_a_sum(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session, "thirsty", power_curve=CURVE)
        vms = [add_vm(session, host) for _ in range(3)]
        project = session.get_one(Vm, vms[0]).project_id
    beats(room, host, 220.0, **dict(zip(vms, (6.0, 4.0, 2.0), strict=True)))
    gauges = PowerGauges(room.database, most_vms=2)
    gauges.refresh(time.time())
    told = [gauge("innkeeper_vm_watts", vm=vm, project=project) for vm in vms]
    assert told[2] is None
    assert [round(watts or 0, 1) for watts in told[:2]] == [93.3, 73.3]
    assert round(gauge("innkeeper_other_vm_watts") or 0, 1) == 53.3
    assert round(gauge("innkeeper_project_watts", project=project) or 0, 1) == 220.0
    assert gauge("innkeeper_host_watts", host="thirsty", source="rapl") == 220.0


def test_what_has_gone_is_told_no_more(room: Room) -> None:
    with room.database.write() as session:
        host = add_host(session, "going", power_curve=CURVE)
        vm = add_vm(session, host)
        project = session.get_one(Vm, vm).project_id
    beats(room, host, 120.0, **{vm: 1.0})
    gauges = PowerGauges(room.database)
    gauges.refresh(time.time())
    assert gauge("innkeeper_vm_watts", vm=vm, project=project) == 120.0
    with room.database.write() as session:
        session.execute(delete(Claim).where(Claim.vm_id == vm))
    gauges.refresh(time.time() + 120)
    assert gauge("innkeeper_vm_watts", vm=vm, project=project) is None
    assert gauge("innkeeper_host_watts", host="going", source="rapl") is None
