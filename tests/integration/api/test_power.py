# SPDX-License-Identifier: Apache-2.0
"""What hosts and vms draw, as the API tells it."""

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.common.contracts.power_shares import FRESH_S
from services.common.contracts.states import HostState
from services.common.store.host_states import move_host
from services.common.store.models import VmLoad
from tests.support.front_door import Api
from tests.support.hosts import add_host, add_vm

CURVE = [100.0 + 10 * n for n in range(11)]


def telemetry(watts: float, source: str = "rapl") -> dict[str, Any]:
    return {"watts": watts, "watts_source": source, "cpu_percent": 50.0, "at": time.time()}


def a_host(api: Api, **values: Any) -> tuple[str, str, str]:
    """A host of 160 W, of which 100 idle, and its two vms: a busy small one and an idle large one."""
    with api.database.write() as session:
        host = add_host(session, **{"telemetry": telemetry(160.0), "power_curve": CURVE, "price_kwh": 0.25, **values})
        busy, idle = add_vm(session, host, 1), add_vm(session, host, 3)
        session.add(VmLoad(host_id=host, cores={busy: 0.9, idle: 0.1}))
    return host, busy, idle


def test_every_vm_has_its_part_and_the_parts_sum_to_the_host_s_watts(api: Api) -> None:
    host, busy, idle = a_host(api)
    told = api.done("admin", "GET", f"/v1/hosts/{host}/power")
    assert (told["watts"], told["source"], told["cost_per_h"]) == (160.0, "rapl", 0.04)
    assert [(vm["id"], vm["idle_watts"], vm["dynamic_watts"]) for vm in told["vms"]] == [
        (idle, 75.0, 6.0),
        (busy, 25.0, 54.0),
    ]
    assert sum(vm["watts"] for vm in told["vms"]) == pytest.approx(told["watts"], rel=0.01)


def test_a_vm_tells_its_own_part_and_what_it_costs(api: Api) -> None:
    _, busy, _ = a_host(api)
    vm = api.done("admin", "GET", f"/v1/vms/{busy}")
    assert (vm["watts"], vm["watts_source"], vm["cost_per_h"]) == (79.0, "rapl", 0.01975)


def test_of_a_host_that_is_silent_nothing_is_told(api: Api) -> None:
    host, busy, _ = a_host(api, heartbeat_at=time.time() - FRESH_S - 5)
    told = api.done("admin", "GET", f"/v1/hosts/{host}/power")
    assert (told["watts"], told["source"], told["vms"]) == (None, "", [])
    vm = api.done("admin", "GET", f"/v1/vms/{busy}")
    assert (vm["watts"], vm["cost_per_h"]) == (None, None)


def test_a_tariff_s_hour_is_what_energy_costs_now_and_null_takes_it_away(api: Api) -> None:
    host, busy, _ = a_host(api)
    path, any_version = f"/v1/hosts/{host}", {"If-Match": "*"}
    hours = {"time_zone": "Asia/Kolkata", "prices": [float(n) for n in range(24)]}
    hour = datetime.now(ZoneInfo("Asia/Kolkata")).hour
    told = api.done("admin", "PATCH", path, {"tariff": hours}, headers=any_version)
    assert (told["tariff"], told["price_kwh"]) == (hours, 0.25)
    assert told["price_now"] in (hour, (hour + 1) % 24)
    power = api.done("admin", "GET", f"{path}/power")
    assert power["cost_per_h"] == pytest.approx(0.16 * power["price_kwh"])
    assert power["price_kwh"] in (hour, (hour + 1) % 24)
    assert api.done("admin", "GET", f"/v1/vms/{busy}")["cost_per_h"] == pytest.approx(0.079 * power["price_kwh"], 0.1)
    told = api.done("admin", "PATCH", path, {"tariff": None}, headers=any_version)
    assert (told["tariff"], told["price_now"]) == (None, 0.25)


@pytest.mark.parametrize(
    ("tariff", "where", "fix"),
    [
        ({"time_zone": "Mars/North", "prices": [1] * 24}, "/tariff/time_zone", ""),
        ({"time_zone": "UTC", "prices": [1] * 23}, "/tariff/prices", "give each hour's, from midnight"),
        ({"time_zone": "UTC", "prices": [-1] * 24}, "/tariff/prices/0", ""),
        ({"prices": [1] * 24}, "/tariff/time_zone", ""),
    ],
)
def test_a_wrong_tariff_is_told_by_its_field(api: Api, tariff: dict[str, Any], where: str, fix: str) -> None:
    host, _, _ = a_host(api)
    refused = api.ask("admin", "PATCH", f"/v1/hosts/{host}", {"tariff": tariff}, {"If-Match": "*"})
    assert refused.status_code == 422
    error = refused.json["errors"][0]
    assert error["pointer"] == where
    assert fix in error["fix"]


def test_without_a_price_there_is_no_cost(api: Api) -> None:
    host, busy, _ = a_host(api, price_kwh=None)
    assert api.done("admin", "GET", f"/v1/hosts/{host}/power")["cost_per_h"] is None
    assert api.done("admin", "GET", f"/v1/vms/{busy}")["cost_per_h"] is None


def test_price_and_rack_can_be_changed_and_taken_away(api: Api) -> None:
    host, _, _ = a_host(api)
    path, any_version = f"/v1/hosts/{host}", {"If-Match": "*"}
    told = api.done("admin", "PATCH", path, {"price_kwh": 0.5, "rack": "r7"}, headers=any_version)
    assert (told["price_kwh"], told["rack"]) == (0.5, "r7")
    told = api.done("admin", "PATCH", path, {"price_kwh": None, "rack": None}, headers=any_version)
    assert (told["price_kwh"], told["rack"]) == (None, "")


def test_a_host_tells_by_which_ways_it_can_be_woken(api: Api) -> None:
    lan, both, none = ({"mac": "52:54:00:12:34:56"}, {"mac": "52:54:00:12:34:56", "controller": "ipmi"}, {})
    found = [a_host(api, facts={"wake": wake})[0] for wake in (lan, both, none)]
    told = [api.done("admin", "GET", f"/v1/hosts/{host}")["wake_by"] for host in found]
    assert told == [["wol"], ["wol", "ipmi"], []]


WAKE = {"wake": {"mac": "52:54:00:12:34:56"}}


def test_an_admin_puts_an_empty_host_to_sleep_and_wakes_it_by_jobs(api: Api) -> None:
    with api.database.write() as session:
        host = add_host(session, facts=WAKE)
    answer = api.ask("admin", "POST", f"/v1/hosts/{host}/sleep", headers={"Idempotency-Key": host})
    told = answer.get_json()
    assert (answer.status_code, told["host"]["state"]) == (202, "falling-asleep")
    assert (told["job"]["kind"], told["job"]["vm"]) == ("host.sleep", None)
    assert api.done("admin", "GET", answer.headers["Location"])["state"] == "queued"
    for verb, state in (("wake", "falling-asleep"), ("activate", "falling-asleep"), ("drain", "falling-asleep")):
        refused = api.ask("admin", "POST", f"/v1/hosts/{host}/{verb}")
        assert (refused.status_code, api.done("admin", "GET", f"/v1/hosts/{host}")["state"]) == (409, state)
    with api.database.write() as session:
        assert move_host(session, host, HostState.ASLEEP)
    woken = api.done("admin", "POST", f"/v1/hosts/{host}/wake")
    assert (woken["host"]["state"], woken["job"]["kind"]) == ("waking", "host.wake")


def test_a_dry_run_of_sleeping_leaves_the_host_awake(api: Api) -> None:
    with api.database.write() as session:
        host = add_host(session, facts=WAKE)
    assert api.ask("admin", "POST", f"/v1/hosts/{host}/sleep?dry_run=true").status_code == 200
    assert api.done("admin", "GET", f"/v1/hosts/{host}")["state"] == "up"
