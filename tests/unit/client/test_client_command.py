# SPDX-License-Identifier: Apache-2.0
"""`inn` as a user sees it: what is sent, what is printed, and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.canned_api import CannedApi, Reply, message, problem, stream
from tests.unit.client.conftest import Inn

ROOT = Path(__file__).parents[3]
VM: dict[str, Any] = {
    "id": "0190aaaa-0000-7000-8000-000000000001",
    "name": "web-1",
    "state": "ready",
    "os": "debian-12",
    "flavor": "small",
    "vcpus": 1,
    "memory_mib": 1024,
    "disk_gib": 10,
    "host": "h1",
    "project": "p1",
    "nics": [{"mac": "52:54:00:00:00:01", "network": "default", "method": "dhcp"}],
    "observed": {
        "hostname": "web-1",
        "interfaces": [
            {"name": "lo", "addresses": ["127.0.0.1/8"]},
            {"name": "eth0", "mac": "52:54:00:00:00:01", "addresses": ["198.51.100.7/24", "fe80::1/64"]},
        ],
        "dns": ["198.51.100.1"],
    },
    "etag": "a.b",
}
VM_AT = f"/v1/vms/{VM['id']}"
JOB = {"id": "j1", "kind": "vm.create", "state": "queued", "vm": VM["id"], "steps": [{"name": "place"}]}
DONE = JOB | {"state": "succeeded", "steps": [{"name": "place", "state": "done"}]}
FAILED = JOB | {"state": "failed", "error": {"code": "host-failed", "title": "Refused", "detail": "disk full"}}
CREATE = ("vm", "create", "web-1", "--os", "debian-12", "--flavor", "small")

pytestmark = pytest.mark.usefixtures("signed_in")


def prepared(api: CannedApi, final: dict[str, Any] = DONE, last: str = "job.succeeded") -> None:
    """A create that runs through its events and ends as `final`."""
    api.on("POST /v1/vms", Reply(202, {"vm": VM | {"state": "provisioning"}, "job": JOB}))
    api.on("GET /v1/jobs/j1", Reply(200, JOB), Reply(200, final))
    events = (message(1, "job.queued"), message(2, "step.started", step="place", text="choosing"), message(3, last))
    api.on("GET /v1/jobs/j1/events", stream(*events), Reply(200, {"items": [], "next": None}))
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, VM))


def test_create_waits_and_tells_each_event_as_a_plain_line_in_a_pipe(api: CannedApi, command: Inn) -> None:
    prepared(api)
    outcome = command(*CREATE)
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines() == [
        "12:00:00Z web-1 job.queued",
        "12:00:00Z web-1 step.started place: choosing",
        "12:00:00Z web-1 job.succeeded",
        "vm                            web-1",
        "state                         ready",
        "hostname                      web-1",
        "addresses (seen from inside)  198.51.100.7/24",
        "host                          h1",
    ]
    (asked,) = api.of("POST /v1/vms")
    assert asked.body == {
        "name": "web-1",
        "os": "debian-12",
        "flavor": "small",
        "networks": [{"network": "default"}],
    }
    assert asked.headers["x-project"] == "lab"


def test_no_escape_code_reaches_a_pipe_whatever_a_guest_says(api: CannedApi, command: Inn) -> None:
    prepared(api)
    hostile = message(1, "guest.phase", text="\x1b[2J\x1b]0;pwned\x07boot")
    api.on(
        "GET /v1/jobs/j1/events", stream(hostile, message(2, "job.succeeded")), Reply(200, {"items": [], "next": None})
    )
    api.on(f"GET {VM_AT}", Reply(200, VM | {"observed": {"hostname": "\x1b[31mroot"}}))
    for args in (CREATE, ("vm", "show", "web-1")):
        outcome = command(*args)
        assert outcome.exit_code == 0
        assert "\x1b" not in outcome.output
        assert "\x07" not in outcome.output


def test_create_async_prints_the_job_s_id_alone(api: CannedApi, command: Inn) -> None:
    prepared(api)
    outcome = command(*CREATE, "--async")
    assert (outcome.exit_code, outcome.output) == (0, "j1\n")


def test_create_as_json_keeps_stdout_for_the_vm(api: CannedApi, command: Inn) -> None:
    prepared(api)
    outcome = command(*CREATE, "-o", "json")
    assert json.loads(outcome.stdout) == VM
    assert "step.started" in outcome.stderr


def test_a_failed_job_is_exit_7_with_its_reason(api: CannedApi, command: Inn) -> None:
    prepared(api, FAILED, "job.failed")
    outcome = command(*CREATE)
    assert outcome.exit_code == 7
    assert "Refused: disk full" in outcome.stderr
    assert "inn job show j1" in outcome.stderr


def test_a_timeout_is_exit_8_and_says_how_to_go_on(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on("GET /v1/jobs/j1", Reply(200, JOB))
    api.on("GET /v1/jobs/j1/events", Reply(200, {"items": [], "next": None}))
    outcome = command(*CREATE, "--timeout", "0.1")
    assert outcome.exit_code == 8
    assert "inn job watch j1" in outcome.stderr


def test_every_option_of_create_reaches_the_request(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    prepared(api)
    key, spec = tmp_path / "id.pub", tmp_path / "spec.yaml"
    key.write_text("ssh-ed25519 AAAA ada@there\n")
    spec.write_text("os: ubuntu-24.04\nflavor: small\nlabels: {tier: dev, app: shop}\ntimezone: Europe/Berlin\n")
    net = "lab=192.0.2.10/24,gateway=192.0.2.1,dns=192.0.2.53,dns=192.0.2.54,mtu=1400"
    more = ("--network", "default", "--network", net, "--label", "tier=prod", "--package", "nginx")
    command("vm", "create", "web-1", "-f", str(spec), "--os", "debian-12", "--ssh-key", str(key), "--user", "ada",
            "--hostname", "www", *more, "--async")  # fmt: skip
    assert api.of("POST /v1/vms")[0].body == {
        "name": "web-1",
        "os": "debian-12",
        "flavor": "small",
        "hostname": "www",
        "timezone": "Europe/Berlin",
        "networks": [
            {"network": "default"},
            {
                "network": "lab",
                "addresses": ["192.0.2.10/24"],
                "gateway": "192.0.2.1",
                "dns": ["192.0.2.53", "192.0.2.54"],
                "mtu": 1400,
            },
        ],
        "users": [{"name": "ada", "ssh_keys": ["ssh-ed25519 AAAA ada@there"]}],
        "packages": ["nginx"],
        "labels": {"tier": "prod", "app": "shop"},
    }


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("vm", "create", "x"), "--os and --flavor missing"),
        ((*CREATE, "--network", "lab=1.2.3.4/24,gatway=1.2.3.1"), "'gatway' is not known"),
        ((*CREATE, "--network", "=1.2.3.4/24"), "names no network"),
        ((*CREATE, "--network", "lab=192.0.2.1/24,mtu=big"), "mtu=big is not a number"),
        ((*CREATE, "--label", "tier"), "is not KEY=VALUE"),
        (("vm", "list", "-o", "xml"), "'xml' is not one of"),
        (("vm", "delete", "web-1"), "--yes is needed to delete web-1"),
        (("nonsense",), "No such command"),
        (("--context", "nowhere", "vm", "list"), "there is no context 'nowhere'"),
        (("--url", "ftp://x", "vm", "list"), "not an address"),
    ],
)
def test_wrong_usage_is_exit_2_and_names_it(api: CannedApi, command: Inn, args: tuple[str, ...], says: str) -> None:
    prepared(api)
    outcome = command(*args)
    assert outcome.exit_code == 2
    assert says in outcome.stderr
    assert not api.of("POST /v1/vms")


def test_a_private_key_is_refused_before_it_leaves_the_machine(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    outcome = command(*CREATE, "--ssh-key", str(key))
    assert outcome.exit_code == 2
    assert f"give {key}.pub" in outcome.stderr
    assert not api.asked


def test_a_refusal_names_each_field_and_its_fix(api: CannedApi, command: Inn) -> None:
    wrong = [
        {"pointer": "/os", "detail": "there is no os 'debain-12'", "fix": "debian-12"},
        {"pointer": "/networks/0/gateway", "detail": "outside the link's subnet", "fix": "use a router on the link"},
    ]
    refused = problem(422, "invalid", "2 fields are wrong", title="The request is not valid", errors=wrong)
    api.on("POST /v1/vms", refused)
    outcome = command(*CREATE)
    assert outcome.exit_code == 5
    assert outcome.stderr.splitlines() == [
        "Error: The request is not valid",
        "  2 fields are wrong",
        "  /os: there is no os 'debain-12'",
        "    fix: debian-12",
        "  /networks/0/gateway: outside the link's subnet",
        "    fix: use a router on the link",
    ]


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "unauthenticated", 3),
        (403, "forbidden", 5),
        (404, "not-found", 4),
        (409, "conflict", 6),
        (500, "internal", 1),
    ],
)
def test_every_refusal_has_its_exit_code(api: CannedApi, command: Inn, status: int, code: str, exit_code: int) -> None:
    api.on("GET /v1/hosts", problem(status, code, "why"))
    api.on("POST /v1/auth/refresh", problem(401, "unauthenticated", "spent"))
    outcome = command("host", "list")
    assert outcome.exit_code == exit_code
    assert "secret" not in outcome.output


def test_an_unreachable_server_is_exit_9(command: Inn) -> None:
    outcome = command("--url", "http://127.0.0.1:9", "host", "list")
    assert outcome.exit_code == 9
    assert "http://127.0.0.1:9 can't be reached" in outcome.stderr


def test_vms_in_every_form(api: CannedApi, command: Inn) -> None:
    prepared(api)
    assert command("vm", "list").stdout == (
        "NAME   STATE  OS         FLAVOR  ADDRESSES        HOST  AGE\n"
        "web-1  ready  debian-12  small   198.51.100.7/24  h1    -\n"
    )
    assert command("vm", "list", "-o", "name").stdout == "web-1\n"
    assert json.loads(command("vm", "list", "-o", "json").stdout) == [VM]
    assert yaml.safe_load(command("vm", "show", "web-1", "-o", "yaml").stdout) == VM


def test_a_dry_run_says_what_would_be_made_where_and_how_fast(api: CannedApi, command: Inn) -> None:
    placement = {"host": "h1", "policy": "default", "policy_sha": "abc", "hosts": {"h1": "big"}}
    plan = {"vm": VM, "job": JOB, "dry_run": True, "placement": placement, "expected_s": 75.2}
    api.on("POST /v1/vms", Reply(202, plan))
    outcome = command(*CREATE, "--dry-run")
    assert outcome.stdout == (
        "would make   web-1\nos           debian-12\nsize         1 vCPU, 1 GiB, 10 GiB disk\n"
        "nic 0        default, dhcp\nready after  about 1m15s\n\ngoes to big (policy default abc)\n"
    )
    assert api.of("POST /v1/vms")[0].query == {"dry_run": "true"}


def test_an_empty_list_is_no_output_but_a_hint(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [], "next": None}))
    outcome = command("vm", "list")
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert "inn vm create" in outcome.stderr
    assert command("vm", "list", "-o", "json").stdout == "[]\n"


def test_delete_sends_the_etag_it_saw_and_follows(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on(f"DELETE {VM_AT}", Reply(202, {"vm": VM, "job": JOB | {"kind": "vm.delete"}}))
    assert command("vm", "delete", "web-1", "--yes").exit_code == 0
    assert api.of(f"DELETE {VM_AT}")[0].headers["if-match"] == '"a.b"'


@pytest.mark.parametrize("verb", ["start", "stop", "force-stop", "reboot"])
def test_power_is_switched_by_name(api: CannedApi, command: Inn, verb: str) -> None:
    prepared(api)
    api.on(f"POST {VM_AT}/{verb}", Reply(202, {"vm": VM, "job": JOB}))
    assert command("vm", verb, "web-1", "--async").output == "j1\n"


@pytest.mark.parametrize("verb", ["cancel", "retry", "rollback"])
def test_the_owner_s_word_about_a_job(api: CannedApi, command: Inn, verb: str) -> None:
    api.on(f"POST /v1/jobs/j1/{verb}", Reply(202, {"job": JOB}))
    assert command("job", verb, "j1", "--async").output == "j1\n"


def test_explain_shows_scores_filters_misses_and_what_would_fit(api: CannedApi, command: Inn) -> None:
    decision = {
        "host": "h1",
        "policy": "default",
        "policy_sha": "abcdef0123456789",
        "candidates": [
            {"host": "h1", "score": 1.5, "terms": {"cpu": 1.0, "energy": 0.5}},
            {"host": "h2", "score": 0.25, "terms": {"cpu": 0.25}},
        ],
        "filters": [{"filter": "capacity", "tested": 3, "rejected_first": 1, "rejected_alone": 1}],
        "misses": [{"host": "h3", "filter": "capacity", "reason": "lacks 512 MiB of memory"}],
        "relaxations": [{"sentence": "512 MiB less memory would fit on h3"}],
        "watts": 4.25,
        "hosts": {"h1": "big", "h3": "old"},
    }
    api.on("POST /v1/placements:explain", Reply(200, decision))
    volumes = ("--volume", "data:20:keep@fast", "--volume", "kept")
    outcome = command(
        "explain", "--os", "debian-12", "--flavor", "small", "--hostname", "w", "--why-not", "h3", *volumes
    )
    assert outcome.exit_code == 0
    wanted = {"volumes": [{"size_gib": 20, "datastore": "fast"}]}
    assert api.asked[0].body == {"os": "debian-12", "flavor": "small", "why_not": "h3", **wanted}
    assert outcome.stdout == (
        "goes to big, about +4.2 W (policy default abcdef012345)\n\n"
        "HOST  SCORE  CPU    ENERGY\nbig   1.500  1.000  0.500\nh2    0.250  0.250  -\n\n"
        "FILTER    TESTED  REJECTED FIRST  REJECTED ALONE\ncapacity  3       1               1\n\n"
        "REFUSED  BY        WHY\nold      capacity  lacks 512 MiB of memory\n\n"
        "would fit:\n  512 MiB less memory would fit on h3\n"
    )
    api.on("POST /v1/placements:explain", Reply(200, decision | {"host": "", "candidates": [], "watts": None}))
    outcome = command("explain", "--os", "debian-12", "--flavor", "small")
    assert outcome.exit_code == 5
    assert outcome.stdout.startswith("no host can take it")
