# SPDX-License-Identifier: Apache-2.0
"""`inn` shows watts: a host's with each vm's part, and one vm's."""

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import VM, VM_AT

HOST_ID = "0198f2b5-7c1e-7a50-8000-00000000aaaa"
HOST = {"id": HOST_ID, "name": "alpha", "state": "up"}
FAST = {"name": "fast", "kind": "nfs", "size_gib": 500, "used_gib": 20, "grows": True}
SHARES = [
    {"id": "v1", "name": "web", "vcpus": 1, "cores": 0.9, "watts": 79.0, "idle_watts": 25.0, "cost_per_h": 0.01975},
    {"id": "v2", "name": "db", "vcpus": 3, "cores": None, "watts": 81.0, "idle_watts": 75.0, "cost_per_h": None},
]
POWER = {"host": HOST_ID, "name": "alpha", "watts": 160.0, "source": "rapl", "idle_watts": 100.0, "vms": SHARES}

pytestmark = pytest.mark.usefixtures("signed_in")


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line]


def test_a_host_s_watts_are_shown_with_each_vm_s_part(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/hosts", Reply(200, {"items": [{**HOST, "datastores": [FAST]}], "next": None}))
    api.on(f"GET /v1/hosts/{HOST_ID}/power", Reply(200, POWER))
    outcome = command("host", "power", "alpha")
    assert outcome.exit_code == 0, outcome.output
    assert lines(outcome.stdout) == [
        ["host", "alpha"],
        ["watts", "160", "(rapl)"],
        ["idle", "100"],
        ["VM", "VCPUS", "CORES", "BUSY", "WATTS", "OF", "THEM", "IDLE", "COST/H"],
        ["web", "1", "0.90", "79.0", "25.0", "0.0198"],
        ["db", "3", "-", "81.0", "75.0", "-"],
    ]
    assert ["datastores", "fast", "(nfs)", "20/500", "GiB"] in lines(command("host", "show", "alpha").stdout)


def test_a_vm_shows_its_watts_and_where_they_are_from(api: CannedApi, command: Inn) -> None:
    known = VM | {"watts": 12.34, "watts_source": "rapl", "cost_per_h": 0.0031}
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, known))
    shown = lines(command("vm", "show", "web-1").stdout)
    assert ["watts", "12.3", "(rapl)"] in shown
    assert ["cost/h", "0.0031"] in shown


@pytest.mark.parametrize("verb", ["sleep", "wake"])
def test_a_host_is_put_to_sleep_and_woken_by_name(api: CannedApi, command: Inn, verb: str) -> None:
    api.on("GET /v1/hosts", Reply(200, {"items": [HOST], "next": None}))
    job = {"id": "j1", "kind": f"host.{verb}", "state": "queued"}
    api.on(f"POST /v1/hosts/{HOST_ID}/{verb}", Reply(202, {"host": HOST, "job": job}))
    outcome = command("host", verb, "alpha", "--async")
    assert (outcome.exit_code, outcome.stdout) == (0, "j1\n")


def test_a_plan_says_what_would_move_and_that_nothing_was(api: CannedApi, command: Inn) -> None:
    moves = [{"vm": "v1", "vm_name": "web", "target": "h2", "target_name": "beta"}]
    emptied = [{"host": HOST_ID, "host_name": "alpha", "watts_saved": 137.5, "moves": moves}]
    api.on("POST /v1/hosts:consolidate", Reply(200, {"emptied": emptied, "moves": 1, "watts_saved": 137.5}))
    outcome = command("host", "consolidate", "--moves", "5")
    assert outcome.stdout.splitlines() == [
        "alpha would be empty and save 138 W asleep:",
        "  web -> beta",
        "1 moves, 138 W. A plan: nothing was moved.",
    ]
    assert api.of("POST /v1/hosts:consolidate")[0].body == {"moves": 5}


def test_moves_are_taken_when_that_is_asked_for_and_who_stays_is_told_with_the_reason(
    api: CannedApi, command: Inn
) -> None:
    kept = [{"host": HOST_ID, "host_name": "alpha", "reason": "has 3 vms, and 2 moves are left"}]
    budget = {"per_hour": 20, "taken": 18, "left": 2}
    api.on("POST /v1/hosts:take-moves", Reply(200, {"emptied": [], "kept": kept, "budget": budget}))
    outcome = command("host", "consolidate", "--take")
    assert outcome.stdout.splitlines() == [
        "No moves would save watts.",
        "alpha has 3 vms, and 2 moves are left",
        "2 of 20 moves are left in this hour.",
    ]
