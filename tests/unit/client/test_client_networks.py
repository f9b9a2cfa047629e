# SPDX-License-Identifier: Apache-2.0
"""`inn network` shows and changes what addresses a network gives; `inn vm attach-nic` says what the guest must do."""

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn

VM_ID, NET_ID = "0198f2b5-7c1e-7a50-8000-00000000aaaa", "0198f2b5-7c1e-7a50-8000-00000000bbbb"
RANGE = {"start": "10.80.0.9", "end": "10.80.0.20"}
NET = {"id": NET_ID, "name": "lab", "kind": "isolated", "cidr": "10.80.0.0/24", "ranges": [RANGE], "etag": "e1"}
MAC = "52:54:00:00:00:01"
JOB = {"id": "j1", "kind": "vm.attach-nic", "state": "queued"}

pytestmark = pytest.mark.usefixtures("signed_in")


def test_ranges_and_reservations_are_replaced(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/networks", Reply(200, {"items": [NET], "next": None}))
    reserved = [{"address": "10.80.0.5", "mac": "", "name": "db"}]
    api.on(f"PATCH /v1/networks/{NET_ID}", Reply(200, NET | {"reservations": reserved}))
    outcome = command("network", "change", "lab", "--range", "10.80.0.9-10.80.0.20", "--reserve", "10.80.0.5=db")
    assert outcome.exit_code == 0, outcome.output
    assert "10.80.0.5 for db" in outcome.stdout
    assert "10.80.0.9-10.80.0.20" in outcome.stdout


@pytest.mark.parametrize("words", [(), ("--range", "10.80.0.9"), ("--reserve", "=db")])
def test_what_can_t_be_read_is_said(api: CannedApi, command: Inn, words: tuple[str, ...]) -> None:
    assert command("network", "change", "lab", *words).exit_code == 2


def test_a_card_is_plugged_in_and_taken_out(api: CannedApi, command: Inn) -> None:
    api.on(f"GET /v1/vms/{VM_ID}", Reply(200, {"id": VM_ID, "name": "web", "state": "ready"}))
    api.on(f"POST /v1/vms/{VM_ID}/nics", Reply(202, {"nic": {"mac": MAC}, "job": JOB, "guest": "tell it"}))
    api.on(f"DELETE /v1/vms/{VM_ID}/nics/{MAC}", Reply(202, {"nic": {"mac": MAC}, "job": JOB}))
    assert command("vm", "attach-nic", VM_ID, "lab=10.80.0.9/24", "--async").stdout == "j1\n"
    assert command("vm", "attach-nic", VM_ID, "=", "--async").exit_code == 2
    outcome = command("vm", "detach-nic", VM_ID, MAC, "--async")
    assert (outcome.exit_code, outcome.stdout) == (0, "j1\n"), outcome.output
