# SPDX-License-Identifier: Apache-2.0
"""Other sizes over HTTP: what is wrong is named, quotas count from the first moment, and one job at a time."""

from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.abilities import Ability
from services.common.store.models import Vm
from tests.integration.api.test_abilities import host, vm_on
from tests.support.front_door import Api
from tests.support.problems import counts, problem


def resized(api: Api, vm: dict[str, Any], **sizes: Any) -> Any:
    return api.ask("member", "POST", f"/v1/vms/{vm['id']}/resize", sizes)


def test_a_resize_is_a_job_and_the_vm_is_asked_to_be_so_at_once(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", Ability.RESIZE_OFF))
    answer = resized(api, vm, flavor="small")
    assert answer.status_code == 202, answer.text
    assert answer.json["job"]["kind"] == "vm.resize"
    assert [s["name"] for s in answer.json["job"]["steps"]] == ["hold-room", "resize", "settle-size"]
    shown = answer.json["vm"]
    assert (shown["flavor"], shown["state"], shown["pending"]) == ("small", "ready", None)
    assert shown["memory_mib"] > vm["memory_mib"]
    assert shown["disk_gib"] == vm["disk_gib"]
    problem(resized(api, vm, vcpus=3), 409, "conflict")


def test_one_figure_leaves_the_other_and_the_vm_has_no_flavor_then(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", Ability.RESIZE_OFF), "stopped")
    shown = resized(api, vm, vcpus=3).json["vm"]
    assert (shown["vcpus"], shown["memory_mib"], shown["flavor"]) == (3, vm["memory_mib"], "")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/flavor"),
        ({"flavor": "smal"}, "/flavor"),
        ({"flavor": "small", "vcpus": 2}, "/vcpus"),
        ({"vcpus": 0}, "/vcpus"),
        ({"vcpus": True}, "/vcpus"),
        ({"memory_mib": 1 << 40}, "/memory_mib"),
        ({"disk_gib": 20}, "/disk_gib"),
        ({"flavor": "tiny"}, "/flavor"),
    ],
)
def test_sizes_that_make_no_sense_are_named(api: Api, body: dict[str, Any], pointer: str) -> None:
    vm = vm_on(api, host(api, "fake", Ability.RESIZE_OFF))
    before = counts(api)
    found = problem(resized(api, vm, **body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer
    assert found["errors"][0]["fix"]
    assert counts(api) == before


@pytest.mark.parametrize("state", ["suspended", "missing", "failed"])
def test_a_vm_in_another_state_is_not_resized(api: Api, state: str) -> None:
    vm = vm_on(api, host(api, "fake", Ability.RESIZE_OFF), state)
    found = problem(resized(api, vm, vcpus=2), 409, "illegal-state")
    assert state in found["detail"]
    assert api.done("member", "GET", f"/v1/vms/{vm['id']}")["vcpus"] == vm["vcpus"]


def test_a_host_that_cant_is_refused_and_a_quota_holds(api: Api) -> None:
    poor = vm_on(api, host(api, "vsphere"))
    problem(resized(api, poor, vcpus=2), 422, "unsupported")
    place = api.project(member="member")
    here = {"X-Project": place["name"]}
    tag = api.ask("admin", "GET", f"/v1/projects/{place['id']}").headers["ETag"]
    api.done("admin", "PATCH", f"/v1/projects/{place['id']}", {"quotas": {"vcpus": 2}}, headers={"If-Match": tag})
    body = {"name": "web", "os": "mini", "flavor": "tiny"}
    vm = api.done("member", "POST", "/v1/vms", body, headers=here)["vm"]
    host_id = host(api, "fake", Ability.RESIZE_OFF)
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == vm["id"]).values(state="ready", job_id=None, host_id=host_id))
    path = f"/v1/vms/{vm['id']}/resize"
    found = problem(api.ask("member", "POST", path, {"vcpus": 3}, here), 409, "quota-exceeded")
    assert found["errors"][0]["pointer"] == "/vcpus"
    assert api.ask("member", "POST", path, {"vcpus": 2}, here).status_code == 202
