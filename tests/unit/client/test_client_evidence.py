# SPDX-License-Identifier: Apache-2.0
"""`inn` shows what can be seen of a vm, and what was kept of one that broke."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply, problem
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import JOB, VM, VM_AT

PNG = b"\x89PNG\r\n\x1a\nbytes \xff"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def shown(api: CannedApi) -> CannedApi:
    """A vm with a console and a screen."""
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, VM))
    api.on(f"GET {VM_AT}/console-log", Reply(200, "booting\n\x1b[2Jlogin:\tada\n", TEXT))
    api.on(f"GET {VM_AT}/screenshot", Reply(200, PNG, {"Content-Type": "image/png"}))
    return api


def test_the_console_is_printed_and_sends_the_terminal_nothing(shown: CannedApi, command: Inn) -> None:
    outcome = command("vm", "console-log", "web-1")
    assert (outcome.exit_code, outcome.stdout) == (0, "booting\n?[2Jlogin:      ada\n")
    assert shown.of(f"GET {VM_AT}/console-log")[0].query == {}


def test_what_was_kept_of_a_job_is_asked_for_by_its_id(shown: CannedApi, command: Inn) -> None:
    command("vm", "console-log", "web-1", "--job", "j1")
    assert shown.of(f"GET {VM_AT}/console-log")[0].query == {"job": "j1"}


def test_the_screen_becomes_a_file(shown: CannedApi, command: Inn, tmp_path: Path) -> None:
    file = tmp_path / "screen.png"
    outcome = command("vm", "screenshot", "web-1", "-o", str(file))
    assert (outcome.exit_code, outcome.stdout) == (0, f"{file}\n")
    assert file.read_bytes() == PNG


def test_a_place_that_can_not_be_written_is_wrong_usage(shown: CannedApi, command: Inn, tmp_path: Path) -> None:
    outcome = command("vm", "screenshot", "web-1", "-o", str(tmp_path / "missing" / "screen.png"))
    assert outcome.exit_code == 2
    assert "No such file" in outcome.stderr


def test_a_silent_host_is_exit_9(shown: CannedApi, command: Inn) -> None:
    shown.on(f"GET {VM_AT}/console-log", problem(503, "unavailable", "the vm's host did not answer within 5 s"))
    outcome = command("vm", "console-log", "web-1")
    assert outcome.exit_code == 9
    assert "did not answer" in outcome.stderr


def broken(**evidence: Any) -> dict[str, Any]:
    error = {"code": "guest-failed", "title": "The guest did not come up", "detail": "the installer failed in packages"}
    return JOB | {"state": "failed", "error": error | {"evidence": evidence}}


def test_a_broken_job_shows_the_end_of_what_was_seen_and_where_the_rest_is(api: CannedApi, command: Inn) -> None:
    lines = "".join(f"line {n}\n" for n in range(20))
    links = {"console_log": "/v1/vms/x/console-log?job=j1"}
    api.on("GET /v1/jobs/j1", Reply(200, broken(console=lines, log="\x1b[31mGET 404\n", screenshot=True, links=links)))
    out = command("job", "show", "j1").stdout
    assert "line 19" in out
    assert "line 13" not in out
    assert "?[31mGET 404" in out
    assert f"inn vm console-log {VM['id']} --job j1" in out
    assert f"inn vm screenshot {VM['id']} --job j1" in out


def test_a_job_without_evidence_says_why(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/jobs/j1", Reply(200, broken(note="the host did not answer in time")))
    out = command("job", "show", "j1").stdout
    assert "the host did not answer in time" in out
    assert "console-log" not in out


def test_a_step_that_waits_for_a_guest_says_how_long_it_may_be_silent(api: CannedApi, command: Inn) -> None:
    step = {"name": "install", "state": "running", "expected_s": 90.0, "silence_s": 300.0}
    api.on("GET /v1/jobs/j1", Reply(200, JOB | {"steps": [step]}))
    out = command("job", "show", "j1").stdout
    assert "MAY BE SILENT" in out
    assert "5m00s" in out


def test_a_job_that_waits_for_its_guest_says_how_far_that_is(api: CannedApi, command: Inn) -> None:
    phase = {"name": "packages", "percent": 60.0, "at": "2026-01-31T12:00:00Z"}
    api.on("GET /v1/jobs/j1", Reply(200, JOB | {"state": "waiting", "step": "install", "phase": phase}))
    assert "packages 60%, " in command("job", "show", "j1").stdout
