# SPDX-License-Identifier: Apache-2.0
"""Clones over HTTP: what is their own, what their source must be, and what can't be copied."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.abilities import NEEDS, Ability
from services.common.contracts.commands import ClonePlan, Verb
from services.common.contracts.errors import Conflict
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Park, StepContext
from services.common.store.journal import view_of
from services.common.store.models import AddressLease, Job, Vm
from services.worker.clone_steps import CloneSteps
from tests.integration.api.test_abilities import host, vm_on
from tests.support.front_door import Api
from tests.support.problems import counts, problem

ALL = tuple(NEEDS.values())


def cloned(api: Api, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"name": f"c-{new_id()[-12:]}", **more}
    found: dict[str, Any] = api.done("member", "POST", f"/v1/vms/{source['id']}/clone", body)
    return found


def refused(api: Api, source: dict[str, Any], status: int, code: str, **more: Any) -> dict[str, Any]:
    """The refusal of a clone, which leaves nothing."""
    before = counts(api)
    body = {"name": f"c-{new_id()[-12:]}", **more}
    found = problem(api.ask("member", "POST", f"/v1/vms/{source['id']}/clone", body), status, code)
    assert counts(api) == before
    return found


def test_a_clone_is_a_vm_of_its_own_on_the_host_of_its_source(api: Api) -> None:
    at = host(api, "fake", *ALL)
    source = vm_on(api, at, "stopped")
    answer = cloned(api, source, name="twin", labels={"of": "one"})
    vm, job = answer["vm"], answer["job"]
    assert (job["kind"], [s["name"] for s in job["steps"]]) == ("vm.clone", ["place", "build", "clone", "deploy"])
    assert (vm["name"], vm["hostname"], vm["source"], vm["labels"]) == ("twin", "twin", source["id"], {"of": "one"})
    assert vm["state"] == "provisioning"
    for key in ("os", "flavor", "vcpus", "memory_mib", "disk_gib"):
        assert vm[key] == source[key]
    assert {nic["mac"] for nic in vm["nics"]}.isdisjoint(nic["mac"] for nic in source["nics"])
    with api.database.read() as db:
        assert db.get_one(Vm, vm["id"]).spec["host"] == at
    assert "clone" in source["verbs"]


def test_a_vm_that_is_copied_holds_still_until_that_is_over(api: Api) -> None:
    source = vm_on(api, host(api, "fake", *ALL), "stopped")
    first = cloned(api, source, name="first-copy")
    cloned(api, source)  # reading a disk twice harms nobody
    for method, verb in (("POST", "/start"), ("POST", "/rebuild"), ("DELETE", "")):
        told = problem(api.ask("member", method, f"/v1/vms/{source['id']}{verb}"), 409, "conflict")
        assert "is being copied to" in told["detail"]
    with api.database.write() as db:
        mine = Vm.source_id == source["id"]
        db.execute(update(Vm).where(mine).values(state="stopped", job_id=None))
        db.execute(update(Job).where(Job.id == first["job"]["id"]).values(state="succeeded"))
    assert api.done("member", "DELETE", f"/v1/vms/{source['id']}")["job"]["kind"] == "vm.delete"


def test_a_source_with_linked_clones_stays_off_and_as_it_is_until_they_are_gone(api: Api) -> None:
    source = vm_on(api, host(api, "fake", *ALL, Ability.CLONE_LINKED), "stopped")
    copy = cloned(api, source, name=f"l-{source['name']}", linked=True)["vm"]
    assert copy["linked"] is True
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == copy["id"]).values(state="ready", job_id=None))
    shown = api.done("member", "GET", f"/v1/vms/{source['id']}")
    assert shown["clones"] == [copy["name"]]
    with api.database.write() as db:  # of a start that failed before there was a clone
        old = Job.vm_id == source["id"], Job.kind == "vm.create"
        db.execute(update(Job).where(*old).values(kind="vm.start", step="start", state="failed"))
        failed = db.scalars(select(Job.id).where(Job.vm_id == source["id"])).one()
    assert copy["name"] in problem(api.ask("member", "POST", f"/v1/jobs/{failed}/retry"), 409, "conflict")["detail"]
    assert not set(shown["verbs"]) & {"start", "rebuild", "delete", "snapshot", "revert"}
    assert {"clone", "resize"} <= set(shown["verbs"])
    for method, verb, body in (
        ("POST", "/start", None),
        ("POST", "/rebuild", None),
        ("POST", "/snapshots", {"name": "x"}),
        ("DELETE", "", None),
    ):
        told = problem(api.ask("member", method, f"/v1/vms/{source['id']}{verb}", body), 409, "conflict")
        assert copy["name"] in told["detail"]
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == copy["id"]).values(state="deleted", deleted_at=1.0))
    assert api.done("member", "DELETE", f"/v1/vms/{source['id']}")["job"]["kind"] == "vm.delete"


def test_a_linked_clone_needs_a_host_that_can_do_that(api: Api) -> None:
    source = vm_on(api, host(api, "poor", *ALL), "stopped")
    assert "a linked clone is not possible" in refused(api, source, 422, "unsupported", linked=True)["detail"]


def test_a_linked_clone_is_larger_than_its_source_only_where_its_host_can_do_that(api: Api) -> None:
    source = vm_on(api, host(api, "poor", *ALL, Ability.CLONE_LINKED), "stopped")
    larger = {"linked": True, "disk_gib": source["disk_gib"] + 1}
    told = refused(api, source, 422, "unsupported", **larger)
    assert "a linked clone with a larger disk is not possible" in told["detail"]
    rich = vm_on(api, host(api, "fake", *ALL, Ability.CLONE_LINKED, Ability.CLONE_LINKED_LARGER), "stopped")
    assert cloned(api, rich, **larger)["vm"]["disk_gib"] == larger["disk_gib"]


def test_a_copy_is_begun_only_of_a_source_that_is_still_off_and_there(api: Api) -> None:
    at = host(api, "fake", *ALL, Ability.CLONE_LINKED)
    source = vm_on(api, at, "stopped")
    answer = cloned(api, source, linked=True)
    with api.database.read() as db:
        job = view_of(db, db.get_one(Job, answer["job"]["id"]), "platform")
    step = StepContext(replace(job, step="clone", facts={"place": {"host": at}}), lambda *_: None, 0.0)
    clone = CloneSteps(api.database).handlers()["clone"]
    outcome = clone(step)
    assert isinstance(outcome, Park)
    assert outcome.command is not None
    assert (outcome.command.verb, outcome.command.host) == (Verb.CLONE, at)
    assert outcome.command.clone == ClonePlan(source["id"], source["disk_gib"], linked=True)
    for change, says in (({"state": "ready"}, "is ready"), ({"deleted_at": 1.0}, "not there any more")):
        with api.database.write() as db:
            db.execute(update(Vm).where(Vm.id == source["id"]).values(**change))
        with pytest.raises(Conflict, match=says):
            clone(step)


@pytest.mark.parametrize("state", ["ready", "suspended"])
def test_a_vm_is_cloned_while_it_is_stopped(api: Api, state: str) -> None:
    source = vm_on(api, host(api, "fake", *ALL), state)
    assert f"is {state}" in refused(api, source, 409, "illegal-state")["detail"]


def test_a_host_that_can_t_clone_is_named_by_its_driver(api: Api) -> None:
    source = vm_on(api, host(api, "poor", Ability.SNAPSHOT), "stopped")
    assert "driver 'poor'" in refused(api, source, 422, "unsupported")["detail"]
    assert "clone" not in source["verbs"]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"flavor": "tinny"}, "/flavor"),
        ({"flavor": "tiny", "vcpus": 2}, "/vcpus"),
        ({"memory_mib": 64}, "/memory_mib"),
        ({"linked": "yes"}, "/linked"),
        ({"networks": [{"network": "nowhere"}]}, "/networks/0/network"),
        ({"name": "../x"}, "/name"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(api: Api, asked: dict[str, Any], pointer: str) -> None:
    source = vm_on(api, host(api, "fake", *ALL), "stopped")
    assert refused(api, source, 422, "invalid", **asked)["errors"][0]["pointer"] == pointer


def test_a_disk_grows_in_its_copy_and_never_shrinks(api: Api) -> None:
    source = vm_on(api, host(api, "fake", *ALL), "stopped")
    with api.database.write() as db:
        row = db.get_one(Vm, source["id"])
        row.spec = {**row.spec, "disk_gib": 4}
    assert "at least its 4 GiB" in refused(api, source, 422, "invalid", disk_gib=3)["errors"][0]["detail"]
    larger = cloned(api, source, disk_gib=5)["vm"]
    assert (larger["disk_gib"], larger["vcpus"], larger["flavor"]) == (5, source["vcpus"], "")


def test_a_name_that_is_taken_is_refused(api: Api) -> None:
    source = vm_on(api, host(api, "fake", *ALL), "stopped")
    assert refused(api, source, 409, "conflict", name=source["name"])["errors"][0]["pointer"] == "/name"


def static_source(api: Api, at: str, net: str, address: str) -> dict[str, Any]:
    body = {"os": "mini", "flavor": "tiny", "networks": [{"network": net, "addresses": [address]}]}
    made = api.done("member", "POST", "/v1/vms", {"name": f"s-{new_id()[-12:]}", **body})["vm"]
    with api.database.write() as db:
        db.execute(update(Job).where(Job.vm_id == made["id"]).values(state="succeeded"))
        db.execute(update(Vm).where(Vm.id == made["id"]).values(state="stopped", job_id=None, host_id=at))
    found: dict[str, Any] = made
    return found


def a_network(api: Api, name: str, third: int, **more: Any) -> str:
    body = {"name": name, "kind": "isolated", "cidr": f"10.91.{third}.0/24", **more}
    return str(api.done("operator", "POST", "/v1/networks", body)["id"])


def test_a_static_address_is_answered_by_another_one_of_the_network_s_ranges(api: Api) -> None:
    at = host(api, "fake", *ALL)
    ranges = [{"start": "10.91.1.10", "end": "10.91.1.40"}]
    source = static_source(api, at, a_network(api, "gives", 1, ranges=ranges), "10.91.1.11/24")
    (address,) = cloned(api, source)["vm"]["nics"][0]["addresses"]
    assert address.startswith("10.91.1.")
    assert address != "10.91.1.11/24"
    with api.database.read() as db:
        assert db.scalar(select(AddressLease.vm_id).where(AddressLease.address == address.split("/")[0])) is not None


def test_where_no_range_gives_an_address_it_must_be_named(api: Api) -> None:
    net = a_network(api, "gives-none", 2)
    source = static_source(api, host(api, "fake", *ALL), net, "10.91.2.11/24")
    found = refused(api, source, 422, "invalid")
    assert found["errors"][0]["pointer"] == "/networks"
    link = {"network": net, "addresses": ["10.91.2.12/24"]}
    assert cloned(api, source, networks=[link])["vm"]["nics"][0]["addresses"] == ["10.91.2.12/24"]
    assert "errors" in refused(api, source, 409, "conflict", networks=[link])


def test_a_dry_run_changes_nothing(api: Api) -> None:
    source = vm_on(api, host(api, "fake", *ALL), "stopped")
    before = counts(api)
    answer = api.ask("member", "POST", f"/v1/vms/{source['id']}/clone?dry_run=true", {"name": "perhaps"})
    assert answer.status_code in (200, 202)
    assert {"placement", "files"} <= set(answer.json)
    assert counts(api) == before


@pytest.mark.parametrize("asked", [{}, {"hostname": "other"}])
def test_an_installed_system_is_copied_as_it_is(api: Api, asked: dict[str, Any]) -> None:
    source = vm_on(api, host(api, "fake", *ALL, "guest-channel"), "stopped")
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == source["id"]).values(os="debian-12-installer"))
        row = db.get_one(Vm, source["id"])
        row.spec = {**row.spec, "os": "debian-12-installer", "memory_mib": 4096, "disk_gib": 20, "flavor": ""}
    if asked:
        assert refused(api, source, 422, "invalid", **asked)["errors"][0]["pointer"] == "/hostname"
    else:
        assert cloned(api, source)["vm"]["hostname"] == source["hostname"]
