# SPDX-License-Identifier: Apache-2.0
"""A host sleeps and is woken through the whole platform: jobs, the signed command, a real magic packet."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import ROOM, gone
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


def begun(stack: Stack, host: str, verb: str) -> str:
    answer = stack.http.post(f"/v1/hosts/{host}/{verb}")
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return str(job["id"])


@pytest.fixture
def sleepy(stack: Stack) -> Iterator[str]:
    """A host that goes with its test."""
    host = stack.enrol("sleepy", "fake", capacity=ROOM)
    yield host
    stack.http.delete(f"/v1/hosts/{host}", headers={"If-Match": stack.host(host)["etag"]}).raise_for_status()
    stack.processes.pop("agent-sleepy").stop()


def test_a_host_sleeps_takes_no_vm_and_is_woken(stack: Stack, sleepy: str) -> None:
    host = sleepy
    assert stack.finish(begun(stack, host, "sleep"))["state"] == "succeeded"
    assert stack.host(host)["state"] == "asleep"
    refused = stack.finish(stack.create("too-early", host="sleepy")["job"]["id"])
    assert (refused["state"], refused["error"]["code"]) == ("failed", "no-host")
    assert stack.finish(begun(stack, host, "wake"))["state"] == "succeeded"
    until(lambda: stack.host(host)["state"] == "up", 10, "the host up")
    made = stack.create("in-time", host="sleepy")
    assert stack.finish(made["job"]["id"])["state"] == "succeeded"
    busy = stack.http.post(f"/v1/hosts/{host}/sleep")
    assert (busy.status_code, "holds room" in busy.text) == (409, True)
    told = stack.http.get(f"/v1/hosts/{host}/power").raise_for_status().json()
    assert sum(vm["watts"] for vm in told["vms"]) == pytest.approx(told["watts"], rel=0.01)
    gone(stack, made["vm"]["id"])
