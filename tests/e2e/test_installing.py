# SPDX-License-Identifier: Apache-2.0
"""A system with an installer, through every process: its phases are followed, its failure and its silence are kept."""

from typing import Any

import pytest

from services.common.contracts.guest import PHASES
from tests.e2e.conftest import gone, overdue
from tests.support.stack import Stack
from tests.support.waiting import until

# The first of them has the installation medium made.
pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host"), pytest.mark.timeout(600)]
SYSTEM = {"os": "debian-12-netboot", "flavor": "medium"}


def phases(stack: Stack, job: str) -> list[tuple[str, Any]]:
    """What the installer told, in the journal's order."""
    told = (e for e in stack.events(job) if e["kind"] == "guest.phase" and e["step"] == "install")
    return [(event["text"], event["data"].get("percent")) for event in told]


def test_an_installation_is_followed_to_its_end_and_the_boot_after_it(stack: Stack) -> None:
    made = stack.create("inst", **SYSTEM)
    job = stack.finish(made["job"]["id"], 300)
    assert job["state"] == "succeeded", job
    told = phases(stack, job["id"])
    assert [name for name, _ in told] == list(PHASES[: PHASES.index("installed") + 1])
    percents = [percent for _, percent in told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [e["text"] for e in stack.events(job["id"]) if e["kind"] == "guest.phase"][-1] == "agent"
    steps = {step["name"]: step for step in job["steps"]}
    assert steps["install"]["state"] == steps["boot"]["state"] == "done"
    assert steps["install"]["silence_s"] == 1800.0
    assert stack.vm(made["vm"]["id"])["state"] == "ready"
    gone(stack, made["vm"]["id"])


def test_an_installer_that_fails_says_why_and_its_vm_is_walked_back(stack: Stack) -> None:
    made = stack.create("inst-install-fails", **SYSTEM)
    job = stack.finish(made["job"]["id"], 300)
    assert (job["state"], job["error"]["code"]) == ("failed", "guest-failed")
    assert job["error"]["detail"] == "the installer failed in packages: fake: told to fail"
    evidence = job["error"]["evidence"]
    assert "partitioning 40 %" in evidence["console"]
    assert evidence["phase"]["name"] == "packages"
    assert stack.http.get(evidence["links"]["screenshot"]).status_code == 200
    assert stack.vm(made["vm"]["id"])["state"] == "failed"
    gone(stack, made["vm"]["id"])


def test_an_installer_that_falls_silent_stalls_and_can_be_cancelled(stack: Stack) -> None:
    made = stack.create("inst-install-hangs", **SYSTEM)
    job_id = made["job"]["id"]
    until(lambda: ("packages", 60) in phases(stack, job_id), 300, "half an installation")
    overdue(stack, job_id)
    job = stack.finish(job_id)
    assert job["state"] == "stalled"
    assert "'install'" in job["error"]["detail"]
    assert job["error"]["evidence"]["phase"]["name"] == "packages"
    assert "packages 60 %" in job["error"]["evidence"]["console"]
    assert stack.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    assert stack.finish(job_id)["state"] == "cancelled"
    gone(stack, made["vm"]["id"])
