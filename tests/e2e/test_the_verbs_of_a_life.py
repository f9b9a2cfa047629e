# SPDX-License-Identifier: Apache-2.0
"""Living with a vm, on the fake driver and through every service: stand still, reset, grow, keep and go back."""

from typing import Any

import pytest

from tests.e2e.conftest import gone, orphans
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("host")]


def made(stack: Stack, name: str) -> str:
    found = stack.create(name)
    assert stack.finish(found["job"]["id"])["state"] == "succeeded"
    return str(found["vm"]["id"])


def done(stack: Stack, vm: str, verb: str, body: Any = None, state: str = "succeeded", method: str = "POST") -> Any:
    """The answer to a verb, once its job is over."""
    answer = stack.http.request(method, f"/v1/vms/{vm}/{verb}", json=body)
    assert answer.status_code == 202, answer.text
    job = stack.finish(answer.json()["job"]["id"])
    assert job["state"] == state, (verb, job)
    return answer.json()


def used(stack: Stack, host: str) -> tuple[int, int]:
    found = stack.host(host)["used"]
    return found["vcpus"], found["memory_mib"]


def test_a_vm_stands_still_goes_on_and_is_reset(stack: Stack) -> None:
    vm = made(stack, "still")
    first = stack.vm(vm)["observed"]["boot_id"]
    for verb, state in (("suspend", "suspended"), ("resume", "ready"), ("suspend", "suspended"), ("start", "ready")):
        done(stack, vm, verb)
        assert stack.vm(vm)["state"] == state
    assert stack.vm(vm)["observed"]["boot_id"] == first
    done(stack, vm, "reset")
    assert (stack.vm(vm)["state"], stack.vm(vm)["observed"]["boot_id"] == first) == ("ready", False)
    done(stack, vm, "suspend")
    assert stack.http.post(f"/v1/vms/{vm}/reset").status_code == 409
    done(stack, vm, "stop")
    assert stack.vm(vm)["state"] == "stopped"
    gone(stack, vm)


def test_a_vm_grows_at_once_or_when_it_was_off_and_its_host_holds_no_more_than_that(stack: Stack, host: str) -> None:
    hot, cold = made(stack, "hot"), made(stack, "no-hotplug")
    before = used(stack, host)
    done(stack, hot, "resize", {"vcpus": 3})
    assert (stack.vm(hot)["vcpus"], stack.vm(hot)["pending"]) == (3, None)
    has = stack.vm(cold)["vcpus"]
    done(stack, cold, "resize", {"vcpus": 3})
    waits = {"until": "power-off", "now": {"vcpus": has}, "then": {"vcpus": 3}}
    assert stack.vm(cold)["pending"] == waits
    assert used(stack, host)[0] == before[0] + 2 * (3 - has)
    done(stack, cold, "reboot")
    assert stack.vm(cold)["pending"] is None
    done(stack, cold, "resize", {"vcpus": has})
    assert used(stack, host)[0] == before[0] + 2 * (3 - has)
    done(stack, cold, "reboot")
    assert used(stack, host)[0] == before[0] + 3 - has
    done(stack, hot, "resize", {"memory_mib": 1 << 20}, state="failed")
    assert stack.vm(hot)["vcpus"] == 3
    for vm in (hot, cold):
        gone(stack, vm)
    until(lambda: used(stack, host) == (0, 0), 10, "every claim given back")


def test_a_vm_goes_back_to_what_it_was_and_its_snapshots_go_with_it(stack: Stack) -> None:
    vm = made(stack, "kept")
    warm = done(stack, vm, "snapshots", {"name": "warm"})["snapshot"]
    assert warm["memory"] is True
    done(stack, vm, "stop")
    cold = done(stack, vm, "snapshots", {"name": "cold"})["snapshot"]
    assert cold["parent"] == warm["id"]
    done(stack, vm, f"snapshots/{warm['id']}/revert")
    assert stack.vm(vm)["state"] == "ready"
    done(stack, vm, f"snapshots/{cold['id']}/revert")
    assert stack.vm(vm)["state"] == "stopped"
    done(stack, vm, f"snapshots/{warm['id']}", method="DELETE")
    (left,) = stack.http.get(f"/v1/vms/{vm}/snapshots").json()["items"]
    assert (left["name"], left["parent"], left["current"]) == ("cold", None, True)
    assert orphans(stack) == []
    gone(stack, vm)
    assert orphans(stack) == []


def test_a_rebuilt_vm_is_the_same_one_with_a_new_system(stack: Stack) -> None:
    vm = made(stack, "anew")
    before = stack.vm(vm)
    done(stack, vm, "rebuild")
    after = stack.vm(vm)
    assert (after["state"], after["nics"], after["host"]) == ("ready", before["nics"], before["host"])
    assert after["observed"]["interfaces"] == before["observed"]["interfaces"]
    done(stack, vm, "snapshots", {"name": "kept"})
    assert "snapshots" in stack.http.post(f"/v1/vms/{vm}/rebuild").json()["detail"]
    gone(stack, vm)


def test_a_clone_boots_as_a_vm_of_its_own_and_one_that_breaks_off_leaves_nothing(stack: Stack, host: str) -> None:
    vm = made(stack, "first")
    answer = stack.http.post(f"/v1/vms/{vm}/clone", json={"name": "second"})
    assert (answer.status_code, "is ready" in answer.json()["detail"]) == (409, True)
    done(stack, vm, "stop")
    before = used(stack, host)
    copy = done(stack, vm, "clone", {"name": "second"})["vm"]["id"]
    assert used(stack, host) == (2 * before[0], 2 * before[1])
    assert (stack.vm(copy)["state"], stack.vm(copy)["source"], stack.vm(copy)["drift"]) == ("stopped", vm, None)
    third = done(stack, vm, "clone", {"name": "third", "linked": True})["vm"]["id"]
    done(stack, third, "start")
    assert "'third'" in stack.http.post(f"/v1/vms/{vm}/start").json()["detail"]
    gone(stack, third)
    gone(stack, vm)
    done(stack, copy, "start")
    seen = stack.vm(copy)
    assert (seen["state"], seen["hostname"]) == ("ready", "second")
    assert seen["observed"]["hostname"].startswith("second-")
    gone(stack, copy)
    bad = made(stack, "clone-fails")
    done(stack, bad, "stop")
    half = done(stack, bad, "clone", {"name": "half"}, state="failed")["vm"]["id"]
    assert stack.vm(half)["state"] == "failed"
    for left in (half, bad):
        gone(stack, left)
    assert (orphans(stack), used(stack, host)) == ([], (0, 0))


def test_a_snapshot_that_breaks_off_leaves_nothing(stack: Stack) -> None:
    vm = made(stack, "snapshot-breaks")
    failed = done(stack, vm, "snapshots", {"name": "half"}, state="failed")
    assert stack.http.get(f"/v1/vms/{vm}/snapshots").json()["items"] == []
    assert stack.vm(vm)["state"] == "ready"
    state = (stack.directory / "agent-fake-1" / "fake.json").read_text()
    assert failed["snapshot"]["id"] not in state
    gone(stack, vm)


def test_a_vm_without_our_agent_is_known_by_its_hypervisor_s_own_program(stack: Stack) -> None:
    found = stack.create("only-tools", guest_agent=False)
    assert stack.finish(found["job"]["id"])["state"] == "succeeded"
    vm = found["vm"]["id"]
    until(lambda: stack.vm(vm)["state"] == "ready", 20, "its addresses are seen")
    shown = stack.vm(vm)
    assert (shown["observed"], shown["tools"]["mismatches"]) == (None, [])
    assert shown["tools"]["interfaces"][0]["mac"] == shown["nics"][0]["mac"]
    gone(stack, vm)
