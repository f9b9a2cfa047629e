# SPDX-License-Identifier: Apache-2.0
"""A guest that its host can't hear reports to the api, and its job goes on as if the host had heard it."""

import time
from typing import Any

import httpx
import pytest

from services.common.store.database import Database
from services.common.store.guests import token_row
from services.common.store.together import write_together
from tests.e2e.conftest import gone
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host")]
ADDRESS = "10.78.0.31/24"


def token_for(stack: Stack, vm: str) -> str:
    """A token such as a vm without a port is made with."""
    database = Database(stack.env["INNKEEPER_DATABASE_URL"])
    with database.write() as session:
        write_together(session, [token_row(vm, f"token-{vm}", time.time())])
    database.close()
    return f"token-{vm}"


def test_its_phases_are_told_and_its_report_makes_the_vm_ready(stack: Stack) -> None:
    # The fake host never hears this one.
    made = stack.create("mute-never-boots", networks=[{"network": "lab", "addresses": [ADDRESS]}])
    vm, job_id = made["vm"]["id"], made["job"]["id"]
    until(lambda: stack.job(job_id)["step"] == "boot", 20, "the guest is waited for")
    headers = {"Authorization": f"Bearer {token_for(stack, vm)}"}

    def tell(**message: Any) -> None:
        answer = httpx.post(f"{stack.api_url}/v1/guest/messages", json=message, headers=headers, trust_env=False)
        assert answer.status_code == 204, answer.text

    tell(type="phase", name="first boot", percent=50)
    link = {"name": "eth0", "mac": made["vm"]["nics"][0]["mac"], "mtu": 1500, "up": True, "addresses": [ADDRESS]}
    tell(type="report", boot_id="b1", hostname="mute", interfaces=[link], routes=[], dns=[])
    job = stack.finish(job_id)
    assert job["state"] == "succeeded", job
    assert [e["text"] for e in stack.events(job_id) if e["kind"] == "guest.phase"] == ["first boot"]
    found = stack.vm(vm)
    assert (found["state"], found["addresses"]) == ("ready", [ADDRESS])
    gone(stack, vm)
    late = httpx.post(
        f"{stack.api_url}/v1/guest/messages", json={"type": "heartbeat"}, headers=headers, trust_env=False
    )
    assert late.status_code == 401, "its vm is deleted"
