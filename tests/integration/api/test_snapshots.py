# SPDX-License-Identifier: Apache-2.0
"""Snapshots over HTTP: their names, their memory, whose they are, and when there is no way back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.abilities import NEEDS, Ability
from services.common.contracts.ids import new_id
from services.common.store.models import Job, Snapshot, Vm
from services.common.store.snapshots import taken
from tests.integration.api.test_abilities import host, vm_on
from tests.support.front_door import Api
from tests.support.problems import counts, problem

ALL = (Ability.SNAPSHOT, Ability.SNAPSHOT_MEMORY)


def path(vm: dict[str, Any], *more: str) -> str:
    return "/".join((f"/v1/vms/{vm['id']}/snapshots", *more))


def ended(api: Api, vm: dict[str, Any], snapshot: str = "") -> None:
    """Let the vm's job be over, and the snapshot be taken."""
    with api.database.write() as db:
        if snapshot:
            taken(db, vm["id"], snapshot)
        db.execute(update(Job).where(Job.vm_id == vm["id"]).values(state="succeeded"))
        db.execute(update(Vm).where(Vm.id == vm["id"]).values(job_id=None))


def took(api: Api, vm: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.done("member", "POST", path(vm), {"name": name, **more})["snapshot"]
    ended(api, vm, found["id"])
    return found


def test_snapshots_are_a_tree_and_one_is_where_the_vm_comes_from(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", *ALL), "stopped")
    first, second = took(api, vm, "first"), took(api, vm, "second")
    items = api.done("member", "GET", path(vm))["items"]
    assert [(s["name"], s["parent"], s["current"], s["state"]) for s in items] == [
        ("first", None, False, "available"),
        ("second", first["id"], True, "available"),
    ]
    job = api.done("member", "POST", path(vm, first["id"], "revert"))["job"]
    assert (job["kind"], [s["name"] for s in job["steps"]]) == ("vm.revert", ["look-away", "revert", "reverted"])
    ended(api, vm)
    assert api.done("member", "DELETE", path(vm, second["id"]))["job"]["kind"] == "vm.drop-snapshot"


def test_a_snapshot_of_a_vm_that_runs_has_its_memory_where_the_host_can_do_that(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", *ALL))
    kept = took(api, vm, "kept")
    assert kept["memory"] is True
    job = api.done("member", "POST", path(vm, kept["id"], "revert"))["job"]
    assert [s["name"] for s in job["steps"]][-2:] == ["boot", "verify"]
    ended(api, vm)
    found = problem(api.ask("member", "POST", path(vm), {"name": "disks", "memory": False}), 422, "unsupported")
    assert "while the vm runs" in found["detail"]
    poor = vm_on(api, host(api, "other", Ability.SNAPSHOT, Ability.SNAPSHOT_LIVE_DISKS))
    assert took(api, poor, "disks")["memory"] is False
    problem(api.ask("member", "POST", path(poor), {"name": "all", "memory": True}), 422, "unsupported")


def test_names_are_unique_for_a_vm_and_memory_needs_a_vm_that_runs(api: Api) -> None:
    vm, other = (vm_on(api, host(api, "fake", *ALL), "stopped") for _ in range(2))
    took(api, vm, "same")
    took(api, other, "same")
    before = counts(api)
    found = problem(api.ask("member", "POST", path(vm), {"name": "same"}), 409, "conflict")
    assert found["errors"][0]["pointer"] == "/name"
    found = problem(api.ask("member", "POST", path(vm), {"name": "warm", "memory": True}), 422, "invalid")
    assert found["errors"][0]["pointer"] == "/memory"
    problem(api.ask("member", "POST", path(vm), {"name": "../x"}), 422, "invalid")
    assert counts(api) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vcpus": 9}, "resize vm"),
        ({"hardware": {"macs": [], "volumes": []}}, "disks or cards"),
        ({"taken_at": None}, "not taken yet"),
    ],
)
def test_there_is_no_way_back_to_another_machine(api: Api, change: dict[str, Any], says: str) -> None:
    vm = vm_on(api, host(api, "fake", *ALL))
    kept = took(api, vm, "kept")
    with api.database.write() as db:
        db.execute(update(Snapshot).where(Snapshot.id == kept["id"]).values(**change))
    assert says in problem(api.ask("member", "POST", path(vm, kept["id"], "revert")), 409, "conflict")["detail"]


def test_of_many_verbs_at_once_one_wins_and_the_others_are_told_why(api: Api) -> None:
    vm = vm_on(api, host(api, "fake", *ALL, *NEEDS.values()))
    at = f"/v1/vms/{vm['id']}"
    asked: list[tuple[str, Any]] = [(f"{at}/suspend", None), (f"{at}/reset", None), (f"{at}/rebuild", None)]
    asked += [(f"{at}/snapshots", {"name": f"s{n}"}) for n in range(3)] + [(f"{at}/resize", {"vcpus": 2})]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: api.ask("member", "POST", *one), asked))
    assert sorted(a.status_code for a in answers) == [202] + [409] * (len(asked) - 1)
    with api.database.read() as db:
        assert len(db.scalars(select(Job.id).where(Job.vm_id == vm["id"], Job.state == "queued")).all()) == 1
    snapshots = api.done("member", "GET", path(vm))["items"]
    (won,) = [a.json for a in answers if a.status_code == 202]
    assert [s["id"] for s in snapshots] == ([won["snapshot"]["id"]] if "snapshot" in won else [])


def test_another_vm_s_snapshot_is_not_there_and_a_suspended_vm_takes_none(api: Api) -> None:
    vm, other = (vm_on(api, host(api, "fake", *ALL), "stopped") for _ in range(2))
    kept = took(api, vm, "kept")
    for method, way in (("POST", path(other, kept["id"], "revert")), ("DELETE", path(other, new_id()))):
        problem(api.ask("member", method, way), 404, "not-found")
    asleep = vm_on(api, host(api, "fake", *ALL), "suspended")
    problem(api.ask("member", "POST", path(asleep), {"name": "x"}), 409, "illegal-state")
