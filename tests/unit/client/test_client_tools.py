# SPDX-License-Identifier: Apache-2.0
"""`inn vm show` has what the hypervisor's own program in a guest says."""

from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn
from tests.unit.client.test_client_command import VM, VM_AT

pytestmark = pytest.mark.usefixtures("signed_in")
MAC = "52:54:00:00:00:01"
SAID = {
    "running": True,
    "hostname": "web",
    "os": "Debian",
    "interfaces": [{"mac": MAC, "addresses": ["10.0.0.5"]}],
    "mismatches": [],
    "at": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize(
    ("tools", "line"),
    [
        (SAID, "hostname web, Debian"),
        (SAID, f"tools {MAC} 10.0.0.5"),
        (SAID, "tools network as asked for"),
        (SAID | {"mismatches": ["NIC 0: no address", "NIC 1: none"]}, "tools network NIC 0: no address; NIC 1: none"),
        ({"running": False}, "tools not running"),
    ],
)
def test_what_it_says_is_shown_beside_the_guest_s_report(
    api: CannedApi, command: Inn, tools: dict[str, Any], line: str
) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, VM | {"tools": tools}))
    shown = [" ".join(text.split()) for text in command("vm", "show", "web-1").stdout.splitlines()]
    assert [text for text in shown if line in text], shown


def test_of_a_network_that_nobody_can_judge_no_verdict_is_shown(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on(f"GET {VM_AT}", Reply(200, VM | {"tools": SAID | {"mismatches": None}}))
    assert "tools network" not in command("vm", "show", "web-1").stdout
