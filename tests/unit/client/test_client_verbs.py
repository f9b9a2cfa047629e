# SPDX-License-Identifier: Apache-2.0
"""The verbs of a vm's life by `inn`: what is sent, and what is shown of it."""

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import CREATE, JOB, VM, VM_AT, prepared

pytestmark = pytest.mark.usefixtures("signed_in")
AT = f"{VM_AT}/snapshots"
OLD = {"id": "0198c000-0000-7000-8000-0000000000a1", "name": "old", "memory": False, "memory_mib": 1024}
NEW = {"id": "0198c000-0000-7000-8000-0000000000a2", "name": "new", "parent": OLD["id"], "memory": True}
DONE = Reply(202, {"vm": VM, "job": JOB})


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--flavor", "large"), {"flavor": "large"}),
        (("--vcpus", "4", "--memory-mib", "8192"), {"vcpus": 4, "memory_mib": 8192}),
    ],
)
def test_a_resize_sends_what_was_said_and_shows_what_waits(
    api: CannedApi, command: Inn, words: tuple[str, ...], body: dict[str, object]
) -> None:
    prepared(api)
    api.on(f"POST {VM_AT}/resize", DONE)
    pending = {"until": "power-off", "now": {"vcpus": 1}, "then": {"vcpus": 4}}
    api.on(f"GET {VM_AT}", Reply(200, VM | {"pending": pending}))
    outcome = command("vm", "resize", "web-1", *words)
    assert outcome.exit_code == 0, outcome.output
    assert api.of(f"POST {VM_AT}/resize")[0].body == body
    assert "until power-off it has vcpus=1" in outcome.output
    assert "say what it shall have" in command("vm", "resize", "web-1").stderr


def test_a_clone_sends_what_was_said_and_shows_the_new_vm(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on(f"POST {VM_AT}/clone", DONE)
    outcome = command("vm", "clone", "web-1", "web-2", "--disk-gib", "40", "--protect")
    assert outcome.exit_code == 0, outcome.output
    assert api.of(f"POST {VM_AT}/clone")[0].body == {"name": "web-2", "disk_gib": 40, "protect": True}
    assert command("vm", "clone", "web-1", "web-3", "--async").output == "j1\n"


def test_snapshots_are_shown_as_a_tree(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on(f"GET {AT}", Reply(200, {"items": [OLD, NEW | {"current": True, "memory_mib": 2048}], "next": None}))
    outcome = command("vm", "snapshot", "list", "web-1")
    assert [line.split()[:3] for line in outcome.stdout.splitlines()[1:]] == [["old", "-", "-"], ["new", "*", "-"]]
    assert "\n  new" in outcome.stdout
    assert command("vm", "snapshot", "list", "web-1", "-o", "name").stdout == "old\nnew\n"


def test_snapshots_are_taken_gone_back_to_and_deleted_by_name(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on(f"GET {AT}", Reply(200, {"items": [OLD, NEW], "next": None}))
    for line in (f"POST {AT}", f"POST {AT}/{NEW['id']}/revert", f"DELETE {AT}/{OLD['id']}"):
        api.on(line, DONE)
    assert command("vm", "snapshot", "create", "web-1", "x", "--no-memory", "--async").output == "j1\n"
    assert command("vm", "snapshot", "create", "web-1", "y", "--async").output == "j1\n"
    assert [asked.body for asked in api.of(f"POST {AT}")] == [{"name": "x", "memory": False}, {"name": "y"}]
    assert command("vm", "snapshot", "revert", "web-1", "new", "--yes", "--async").output == "j1\n"
    assert command("vm", "snapshot", "delete", "web-1", "old", "--yes", "--async").output == "j1\n"
    assert "--yes" in command("vm", "snapshot", "revert", "web-1", "new").stderr
    assert "no snapshot is called 'none'" in command("vm", "snapshot", "delete", "web-1", "none", "--yes").stderr


def test_protection_is_set_and_lifted_with_the_etag_it_saw(api: CannedApi, command: Inn) -> None:
    prepared(api)
    api.on(f"PATCH {VM_AT}", Reply(200, VM | {"protect": True}))
    assert "protected" in command("vm", "protect", "web-1").stdout
    command("vm", "protect", "web-1", "--off")
    command(*CREATE, "--protect", "--async")
    assert api.of("POST /v1/vms")[0].body["protect"] is True
    assert [(asked.body, asked.headers["if-match"]) for asked in api.of(f"PATCH {VM_AT}")] == [
        ({"protect": True}, '"a.b"'),
        ({"protect": False}, '"a.b"'),
    ]
