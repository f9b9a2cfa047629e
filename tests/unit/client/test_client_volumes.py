# SPDX-License-Identifier: Apache-2.0
"""`inn volume`: each verb is one call, and only the word delete destroys."""

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn

VM_ID, VOLUME_ID = "0198f2b5-7c1e-7a50-8000-00000000aaaa", "0198f2b5-7c1e-7a50-8000-00000000bbbb"
VOLUME = {"id": VOLUME_ID, "name": "data", "state": "attached", "size_gib": 5, "vm": VM_ID, "serial": "s1"}
AT = f"/v1/vms/{VM_ID}/volumes/{VOLUME_ID}"
JOB = {"id": "j1", "kind": "vm.detach-volume", "state": "queued"}

pytestmark = pytest.mark.usefixtures("signed_in")


def told(api: CannedApi, call: str) -> None:
    api.on("GET /v1/volumes", Reply(200, {"items": [VOLUME], "next": None}))
    api.on(call, Reply(202, {"volume": VOLUME, "job": JOB}))


def test_a_volume_is_made_for_a_vm(api: CannedApi, command: Inn) -> None:
    api.on(f"GET /v1/vms/{VM_ID}", Reply(200, {"id": VM_ID, "name": "web", "state": "ready"}))
    api.on(f"POST /v1/vms/{VM_ID}/volumes", Reply(202, {"volume": VOLUME, "job": JOB}))
    outcome = command("volume", "create", VM_ID, "5", "--keep", "--datastore", "fast", "--async")
    assert (outcome.exit_code, outcome.stdout) == (0, "j1\n")
    assert api.of(f"POST /v1/vms/{VM_ID}/volumes")[0].body == {"size_gib": 5, "keep": True, "datastore": "fast"}


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (("grow", "data", "9"), f"POST {AT}/grow"),
        (("detach", "data"), f"DELETE {AT}"),
        (("delete", "data", "--yes"), f"DELETE {AT}"),
    ],
)
def test_each_verb_is_a_call_for_the_vm_that_has_it(
    api: CannedApi, command: Inn, words: tuple[str, ...], call: str
) -> None:
    told(api, call)
    outcome = command("volume", *words, "--async")
    assert (outcome.exit_code, outcome.stdout) == (0, "j1\n"), outcome.output


def test_deleting_asks_first(api: CannedApi, command: Inn) -> None:
    told(api, f"DELETE {AT}")
    outcome = command("volume", "delete", "data", "--async")
    assert outcome.exit_code == 2
    assert "--yes" in outcome.output


def test_what_no_vm_has_can_t_be_taken_off(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/volumes", Reply(200, {"items": [VOLUME | {"vm": None, "state": "detached"}], "next": None}))
    outcome = command("volume", "detach", "data")
    assert outcome.exit_code == 2
    assert "plugged into no vm" in outcome.output


def test_one_volume_is_shown_with_its_serial(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/volumes", Reply(200, {"items": [VOLUME], "next": None}))
    assert "s1" in command("volume", "show", "data").stdout
