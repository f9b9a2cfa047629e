# SPDX-License-Identifier: Apache-2.0
"""`inn policy` and `inn explain` of what was decided: what is sent, what is printed, and the exit code."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply, problem
from tests.unit.client.conftest import Inn

pytestmark = pytest.mark.usefixtures("signed_in")
IDS = [f"0190aaaa-0000-7000-8000-00000000000{n}" for n in range(4)]
MOVE = {"seq": 2, "kind": "activate", "policy": "mine", "version": 2}


def version(number: int, **more: Any) -> dict[str, Any]:
    return {"id": IDS[number], "name": "mine", "version": number, "sha256": f"{number}" * 64, **more}


@pytest.fixture
def stored(api: CannedApi) -> CannedApi:
    """Three versions, of which the second is active."""
    versions = [version(1), version(2, active=True), version(3, canary_percent=10.0)]
    api.on("GET /v1/policies", Reply(200, {"items": versions, "next": None}))
    for one in versions:
        api.on(f"GET /v1/policies/{one['id']}", Reply(200, one | {"text": "kind: PlacementPolicy\n"}))
        api.on(f"POST /v1/policies/{one['id']}/activate", Reply(200, MOVE))
    return api


def test_the_list_says_which_version_decides_for_how_many(stored: CannedApi, command: Inn) -> None:
    lines = command("policy", "list").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["NAME", "VERSION", "DECIDES"],
        ["mine", "1", "-"],
        ["mine", "2", "active"],
        ["mine", "3", "10%"],
    ]


@pytest.mark.parametrize(("asked", "shown"), [("mine", 2), ("mine@3", 3), (IDS[1], 1)])
def test_a_name_is_the_active_version_and_a_number_exactly_that(
    stored: CannedApi, command: Inn, asked: str, shown: int
) -> None:
    outcome = command("policy", "show", asked)
    assert f"version  {shown}\n" in outcome.stdout
    assert outcome.stdout.endswith("\n\nkind: PlacementPolicy\n")


def test_a_version_nobody_stored_is_not_found(stored: CannedApi, command: Inn) -> None:
    outcome = command("policy", "activate", "mine@9")
    assert outcome.exit_code == 4
    assert "no policy is called 'mine@9'" in outcome.stderr


def test_check_tells_every_problem_as_compilers_do(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"kind: Sandwich\r\n")
    wrong = {
        "pointer": "/kind",
        "detail": "'Sandwich' is unknown",
        "fix": "use another",
        "line": 1,
        "column": 7,
    }
    whole = {"pointer": "/", "detail": "larger than 65536 bytes", "fix": "", "line": None, "column": None}
    api.on("POST /v1/policies:validate", Reply(200, {"valid": False, "errors": [wrong, whole]}))
    outcome = command("policy", "check", str(file))
    assert outcome.exit_code == 5
    assert outcome.stderr.splitlines() == [
        f"{file}:1:7: /kind: 'Sandwich' is unknown (use another)",
        f"{file}: /: larger than 65536 bytes",
    ]
    assert api.asked[0].body == {"text": "kind: Sandwich\r\n"}


def test_push_stores_and_puts_in_force_where_it_is_asked_to(stored: CannedApi, command: Inn, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("good")
    good = {"valid": True, "name": "mine", "version": 2, "sha256": "2" * 64, "errors": []}
    stored.on("POST /v1/policies:validate", Reply(200, good))
    stored.on("POST /v1/policies", Reply(201, version(2)))
    assert command("policy", "push", str(file)).stdout == "mine@2 222222222222 is stored\n"
    assert command("policy", "push", str(file), "--activate").stdout.endswith("in force: mine@2\n")


def test_push_stores_nothing_that_is_wrong(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("bad")
    api.on("POST /v1/policies:validate", Reply(200, {"valid": False, "errors": [{"pointer": "/", "detail": "no"}]}))
    assert command("policy", "push", str(file), "--activate").exit_code == 5
    assert api.of("POST /v1/policies") == []


def test_a_canary_is_given_its_share(stored: CannedApi, command: Inn) -> None:
    path = f"POST /v1/policies/{IDS[3]}/activate"
    stored.on(path, Reply(200, MOVE | {"canary": "mine", "canary_version": 3, "canary_percent": 5.0}))
    outcome = command("policy", "activate", "mine@3", "--canary", "5")
    assert stored.of(path)[0].body == {"canary_percent": 5.0}
    assert outcome.stdout == "in force: mine@2, and mine@3 5% of the vms\n"


def test_what_stands_beside_is_named_and_taken_away(stored: CannedApi, command: Inn) -> None:
    path = f"POST /v1/policies/{IDS[2]}/deactivate"
    stored.on(path, Reply(200, MOVE | {"beside": ["lab@1", "win@4"]}))
    assert command("policy", "deactivate", "mine").stdout == "in force: mine@2, beside it lab@1, win@4\n"


def test_rollback_says_what_is_in_force_and_a_refusal_is_told(api: CannedApi, command: Inn) -> None:
    api.on(
        "POST /v1/policies:rollback", Reply(200, MOVE), problem(409, "illegal-state", "there is nothing to go back to")
    )
    assert command("policy", "rollback").stdout == "in force: mine@2\n"
    outcome = command("policy", "rollback")
    assert outcome.exit_code == 6
    assert "nothing to go back to" in outcome.stderr


def test_the_history_shows_what_could_not_be_used(api: CannedApi, command: Inn) -> None:
    broken = MOVE | {"problem": "policy mine has 1 problem(s):\n  /kind: no"}
    back = MOVE | {"seq": 3, "kind": "rollback", "restores": 1}
    api.on("GET /v1/policies:history", Reply(200, {"items": [back, broken], "next": None}))
    lines = command("policy", "history").stdout.splitlines()
    assert lines[1].split() == ["3", "rollback", "to", "1", "mine@2", "-", "-", "-", "-"]
    assert lines[2].endswith("policy mine has 1 problem(s):")


VM = {"id": IDS[1], "name": "web-1", "state": "ready", "vcpus": 2, "memory_mib": 2048, "disk_gib": 9, "flavor": "old"}
EXPLAINED = {"host": "h1", "policy": "balanced", "policy_sha": "ab" * 32, "hosts": {"h1": "big"}, "candidates": []}


def decided(api: CannedApi, **of: str) -> None:
    """Two decisions of the vm or the job; the second is the later one."""
    rows = [
        {"id": IDS[2], "created_at": "2026-01-01T00:00:00Z"},
        {"id": IDS[3], "created_at": "2026-01-02T00:00:00Z"},
    ]

    def listed(asked: Any) -> Reply:
        fits = all(asked.query.get(key) == value for key, value in of.items())
        return Reply(200, {"items": rows if fits else [], "next": None})

    api.on("GET /v1/decisions", listed)
    api.on(f"GET /v1/decisions/{IDS[3]}", Reply(200, rows[1] | {"explanation": EXPLAINED}))


def test_explain_of_a_vm_tells_its_last_decision(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET /v1/vms/{IDS[1]}", Reply(200, VM))
    decided(api, vm=IDS[1])
    outcome = command("explain", "web-1")
    assert (outcome.exit_code, outcome.stdout) == (0, "goes to big (policy balanced abababababab)\n")


@pytest.mark.parametrize(
    ("same", "code", "verdict"), [(True, 0, "alike"), (False, 5, "differently"), (None, 0, "can't")]
)
def test_what_was_decided_is_decided_again(
    api: CannedApi, command: Inn, same: bool | None, code: int, verdict: str
) -> None:
    decided(api, job="j1")
    found = {"policy": "balanced", "policy_sha": "ab" * 32, "host": "h1", "same": same}
    more = {"checked": ["watts"], "differs": [] if same else ["watts are 1"], "open": ["other hosts"]}
    api.on(f"POST /v1/decisions/{IDS[3]}/replay", Reply(200, found | more))
    outcome = command("explain", "j1", "--replay")
    assert outcome.exit_code == code
    assert verdict in outcome.stdout.splitlines()[0]
    assert outcome.stdout.endswith("  checked: watts\n  open: other hosts\n")
    assert command("explain", "--replay").exit_code == 2


def test_explain_of_a_job_needs_no_vm(api: CannedApi, command: Inn) -> None:
    decided(api, job="j1")
    assert command("explain", "j1", "-o", "name").stdout == "big\n"


def test_explain_like_a_vm_asks_where_it_would_go_now_and_why_not_elsewhere(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET /v1/vms/{IDS[1]}", Reply(200, VM))
    api.on("POST /v1/placements:explain", Reply(200, EXPLAINED))
    assert command("explain", "--like", "web-1", "--why-not", "h2").exit_code == 0
    assert api.asked[-1].body == {"vcpus": 2, "memory_mib": 2048, "disk_gib": 9, "why_not": "h2"}
    command("explain", "--like", "web-1", "--flavor", "large")
    assert api.asked[-1].body == {"flavor": "large"}


def test_why_not_of_what_is_over_is_a_wrong_use(command: Inn) -> None:
    outcome = command("explain", "web-1", "--why-not", "h2")
    assert outcome.exit_code == 2
    assert "--like VM --why-not HOST" in outcome.stderr
