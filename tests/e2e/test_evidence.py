# SPDX-License-Identifier: Apache-2.0
"""A guest that fails or falls silent is looked at by its host, and what was seen outlives the vm's rollback."""

import pytest

from services.common.contracts.evidence import PNG
from tests.e2e.conftest import gone, overdue
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host")]


def test_of_a_guest_that_failed_console_and_screen_are_kept_though_the_vm_is_gone(stack: Stack) -> None:
    made = stack.create("web-boot-fails")
    job = stack.finish(made["job"]["id"])
    vm = made["vm"]["id"]
    assert (job["state"], job["error"]["code"]) == ("failed", "guest-failed")
    assert job["error"]["detail"] == "the guest failed in network: fake: told to fail"
    evidence = job["error"]["evidence"]
    assert "last line of the log" in evidence["log"]
    assert "told to fail" in evidence["console"]
    assert stack.vm(vm)["state"] == "failed"
    for url in (evidence["links"]["console_log"], f"/v1/vms/{vm}/console-log"):
        assert stack.http.get(url).raise_for_status().text.startswith("fake console of web-boot-fails")
    assert stack.http.get(evidence["links"]["screenshot"]).raise_for_status().content.startswith(PNG)
    gone(stack, vm)


def test_a_silent_guest_stalls_with_what_its_host_saw_and_its_owner_decides(stack: Stack) -> None:
    made = stack.create("web-never-boots")
    until(lambda: stack.job(made["job"]["id"])["step"] == "boot", 20, "the guest is waited for")
    overdue(stack, made["job"]["id"])
    job = stack.finish(made["job"]["id"])
    assert (job["state"], job["error"]["code"]) == ("stalled", "stalled")
    assert "nothing new" in job["error"]["detail"]
    assert job["error"]["evidence"]["console"].startswith("fake console of web-never-boots")
    assert job["error"]["evidence"]["power"] == "on"
    assert stack.http.post(f"/v1/jobs/{job['id']}/rollback").status_code == 202
    assert stack.finish(job["id"])["state"] == "failed"
    gone(stack, made["vm"]["id"])


def test_a_running_vm_is_looked_at_in_this_moment_unless_its_host_is_silent(stack: Stack) -> None:
    made = stack.create("seen")
    assert stack.finish(made["job"]["id"])["state"] == "succeeded"
    at = f"/v1/vms/{made['vm']['id']}"
    assert "boot 1" in stack.http.get(f"{at}/console-log").raise_for_status().text
    assert stack.http.get(f"{at}/screenshot").raise_for_status().headers["Content-Type"] == "image/png"
    agent = stack.processes["agent-fake-1"]
    agent.pause()
    try:
        until(lambda: stack.http.get(f"{at}/console-log").status_code == 503, 20, "the silence is told")
    finally:
        agent.go_on()
    until(lambda: stack.http.get(f"{at}/console-log").status_code == 200, 20, "the host answers again")
    gone(stack, made["vm"]["id"])
