# SPDX-License-Identifier: Apache-2.0
"""`inn vm drift` shows what was done behind the platform's back, and settles it."""

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import VM, VM_AT

DRIFT = {"wanted": "ready", "power": "off", "since": "2026-01-31T12:00:00Z", "can": ["repair", "adopt"]}
LINE = {"id": "d1", "kind": "vm.drifted", "text": "it was switched off", "at": "2026-01-31T12:00:00Z", "data": {}}

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(autouse=True)
def drifted(api: CannedApi) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, VM | {"drift": DRIFT, "verbs": ["start", "delete"]}))
    api.on(f"GET {VM_AT}/drift", Reply(200, {"vm": VM["id"], "drift": DRIFT, "items": [LINE]}))


def test_a_drift_is_shown_with_what_can_be_done(command: Inn) -> None:
    outcome = command("vm", "drift", "web-1")
    assert outcome.exit_code == 0, outcome.output
    assert "repair, adopt" in outcome.stdout
    assert "it was switched off" in outcome.stdout


def test_a_repair_is_a_job(api: CannedApi, command: Inn) -> None:
    job = {"id": "j1", "kind": "vm.start", "state": "queued"}
    api.on(f"POST {VM_AT}/drift:repair", Reply(202, {"vm": VM, "job": job}))
    outcome = command("vm", "drift", "web-1", "--repair", "--async")
    assert (outcome.exit_code, outcome.stdout) == (0, "j1\n")


def test_nothing_is_forgotten_without_being_asked_for(command: Inn) -> None:
    outcome = command("vm", "drift", "web-1", "--forget")
    assert outcome.exit_code == 2
    assert "--yes" in outcome.output


def test_a_refused_verb_says_what_is_possible(api: CannedApi, command: Inn) -> None:
    detail = {"title": "Not possible in the present state", "code": "illegal-state", "detail": "vm 'web-1' is stopped"}
    api.on(f"POST {VM_AT}/stop", Reply(409, detail))
    outcome = command("vm", "stop", "web-1")
    assert outcome.exit_code == 6
    assert "possible now: start, delete" in outcome.output
