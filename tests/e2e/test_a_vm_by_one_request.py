# SPDX-License-Identifier: Apache-2.0
"""The whole path on the fake driver: every service is a real process, every message goes through RabbitMQ."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import gone, orphans
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host")]


def events(stack: Stack, job: str) -> list[dict[str, Any]]:
    found = stack.http.get(f"/v1/jobs/{job}/events").raise_for_status().json()
    items: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found
    return items


def test_a_vm_becomes_ready_and_its_static_address_was_seen_from_inside(stack: Stack) -> None:
    networks = [{"network": "default"}, {"network": "lab", "method": "static", "addresses": ["10.78.0.21/24"]}]
    made = stack.create("web-1", networks=networks)
    assert made["vm"]["state"] == "provisioning"
    job = stack.finish(made["job"]["id"])
    assert job["state"] == "succeeded", job
    vm = stack.vm(made["vm"]["id"])
    assert vm["state"] == "ready"
    seen = [a for i in vm["observed"]["interfaces"] for a in i["addresses"]]
    assert "10.78.0.21/24" in seen
    assert [s["state"] for s in job["steps"]] == ["done"] * 6
    gone(stack, vm["id"])


def test_events_are_numbered_from_one_without_gaps(stack: Stack) -> None:
    made = stack.create("web-2")
    stack.finish(made["job"]["id"])
    found = events(stack, made["job"]["id"])
    assert [e["seq"] for e in found] == list(range(1, len(found) + 1))
    assert found[0]["kind"] == "job.queued"
    assert found[-1]["kind"] == "job.succeeded"
    gone(stack, made["vm"]["id"])


def test_a_reader_that_comes_late_or_again_sees_every_event_once(stack: Stack) -> None:
    made = stack.create("web-3")
    url = f"/v1/jobs/{made['job']['id']}/events"
    headers = {"Accept": "text/event-stream"}

    def read(last: str = "") -> list[int]:
        more = {"Last-Event-ID": last} if last else {}
        with stack.http.stream("GET", url, headers={**headers, **more}, timeout=30) as answer:
            return [int(line[3:]) for line in answer.iter_lines() if line.startswith("id:")]

    whole = read()
    assert whole == list(range(1, whole[-1] + 1))
    assert read(last="3") == list(range(4, whole[-1] + 1))
    gone(stack, made["vm"]["id"])


def test_fifty_posts_with_one_key_make_one_vm(stack: Stack) -> None:
    body = {"name": "once", "os": "mini", "flavor": "tiny", "networks": [{"network": "default"}]}
    headers = {"Idempotency-Key": str(uuid4())}

    def post(_: int) -> httpx.Response:
        return stack.http.post("/v1/vms", json=body, headers=headers)

    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(post, range(50)))
    assert {a.status_code for a in answers} <= {202, 409}
    again = stack.http.post("/v1/vms", json=body, headers=headers)
    ids = {a.json()["vm"]["id"] for a in [*answers, again] if a.status_code == 202}
    assert len(ids) == 1
    stack.finish(again.json()["job"]["id"])
    gone(stack, ids.pop())


def test_a_vm_no_host_has_room_for_says_what_would_fit(stack: Stack) -> None:
    size = {"vcpus": 1, "memory_mib": 1024 * 1024, "disk_gib": 1}
    answer = stack.http.post("/v1/vms", json={"name": "huge", "os": "mini", **size, "networks": []})
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    assert job["state"] == "failed"
    assert job["error"]["code"] == "no-host"
    assert {r["field"] for r in job["error"]["placement"]["relaxations"]} == {"memory_mib"}
    assert "memory" in job["error"]["detail"]
    gone(stack, answer.json()["vm"]["id"])


def test_stop_start_reboot_and_force_stop_follow_each_other(stack: Stack) -> None:
    made = stack.create("verbs")
    stack.finish(made["job"]["id"])
    vm = made["vm"]["id"]
    for verb, state in (("stop", "stopped"), ("start", "ready"), ("reboot", "ready"), ("force-stop", "stopped")):
        answer = stack.http.post(f"/v1/vms/{vm}/{verb}")
        assert answer.status_code == 202, answer.text
        job = stack.finish(answer.json()["job"]["id"])
        assert job["state"] == "succeeded", (verb, job)
        assert stack.vm(vm)["state"] == state
    assert stack.http.post(f"/v1/vms/{vm}/stop").status_code == 409
    gone(stack, vm)


def test_a_cancelled_create_leaves_nothing(stack: Stack, host: str) -> None:
    made = stack.create("never-boots")
    until(lambda: stack.job(made["job"]["id"])["step"] == "boot", 20, "the guest is waited for")
    answer = stack.http.post(f"/v1/jobs/{made['job']['id']}/cancel")
    assert answer.status_code == 202, answer.text
    assert stack.finish(made["job"]["id"])["state"] == "cancelled"
    assert stack.vm(made["vm"]["id"])["state"] == "failed"
    gone(stack, made["vm"]["id"])
    until(lambda: stack.host(host)["used"]["vcpus"] == 0, 10, "every claim given back")


def test_a_delete_during_a_create_wins(stack: Stack) -> None:
    made = stack.create("brief-never-boots")
    gone(stack, made["vm"]["id"])
    assert stack.job(made["job"]["id"])["state"] == "cancelled"
    assert stack.http.get(f"/v1/vms/{made['vm']['id']}").status_code == 404


def test_a_name_is_free_again_after_its_vm_is_deleted(stack: Stack) -> None:
    first = stack.create("again")
    clash = stack.http.post("/v1/vms", json={"name": "again", "os": "mini", "flavor": "tiny", "networks": []})
    assert clash.status_code == 409
    gone(stack, first["vm"]["id"])
    second = stack.create("again")
    stack.finish(second["job"]["id"])
    gone(stack, second["vm"]["id"])


def test_a_host_that_fails_a_deploy_gets_the_job_walked_back(stack: Stack, host: str) -> None:
    made = stack.create("deploy-fails")
    job = stack.finish(made["job"]["id"])
    assert job["state"] == "failed"
    assert job["error"]["code"] == "host-failed"
    assert stack.vm(made["vm"]["id"])["state"] == "failed"
    assert stack.host(host)["used"]["vcpus"] == 0
    gone(stack, made["vm"]["id"])


def test_metrics_and_readiness_tell_each_part(stack: Stack) -> None:
    ready = stack.http.get("/readyz").json()
    text = json.dumps(ready)
    for part in ("database", "broker", "redis"):
        assert part in text
    assert "innkeeper" in stack.http.get("/metrics").text


def test_the_audit_finds_nothing_but_what_was_left_behind(stack: Stack) -> None:
    asked = {"name": "audited", "kind": "isolated", "cidr": "10.99.0.0/24"}
    network = stack.http.post("/v1/networks", json=asked).raise_for_status().json()
    kept, removed = (
        stack.create("audit-1"),
        stack.create("audit-2", networks=[{"network": "audited", "method": "none"}]),
    )
    for made in (kept, removed):
        assert stack.finish(made["job"]["id"])["state"] == "succeeded"
    gone(stack, removed["vm"]["id"])
    assert orphans(stack) == []
    stack.http.delete(f"/v1/networks/{network['id']}", headers={"If-Match": network["etag"]}).raise_for_status()
    until(lambda: orphans(stack) == [], 10, "the host has removed the network")
    lost = str(uuid4())
    (stack.directory / "agent-fake-1" / "vms" / lost).mkdir()
    (found,) = orphans(stack)
    assert (found["kind"], found["vm"], found["host"]) == ("directory", lost, "fake-1")
    shutil.rmtree(stack.directory / "agent-fake-1" / "vms" / lost, ignore_errors=True)
    assert orphans(stack) == []
    gone(stack, kept["vm"]["id"])
