# SPDX-License-Identifier: Apache-2.0
"""Volumes and cards through every service on the fake driver: the books agree with the host, whatever fails."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from services.common.store.database import Database
from services.common.store.models import AddressLease, Claim, Job, Vm
from tests.e2e.conftest import gone, orphans
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.e2e
SECOND = {"name": "second", "os": "mini", "flavor": "tiny"}


def ready(stack: Stack, name: str, **spec: Any) -> str:
    made = stack.create(name, **spec)
    assert stack.finish(made["job"]["id"])["state"] == "succeeded"
    return str(made["vm"]["id"])


def asked(stack: Stack, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A change that is accepted, and its job's end."""
    answer = stack.http.request(method, path, json=body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return {**found, "job": stack.finish(found["job"]["id"])}


def at_host(stack: Stack) -> dict[str, Any]:
    """What the fake host says it has."""
    found: dict[str, Any] = json.loads((stack.directory / "agent-fake-1" / "fake.json").read_text())
    return found


def used(stack: Stack, host: str) -> int:
    return int(stack.host(host)["used_disk_gib"])


def fast(stack: Stack, host: str) -> int:
    """What is used of the host's one datastore."""
    (found,) = stack.host(host)["datastores"]
    return int(found["used_gib"])


def test_a_volume_is_made_grown_kept_and_attached_to_another(stack: Stack, host: str) -> None:
    one, other = ready(stack, "one"), ready(stack, "other")
    before = used(stack, host)
    made = asked(stack, "POST", f"/v1/vms/{one}/volumes", {"name": "data", "size_gib": 5})
    assert made["job"]["state"] == "succeeded", made
    volume = made["volume"]["id"]
    assert at_host(stack)["volumes"][volume] == {"id": volume, "size_gib": 5, "vm": one, "datastore": ""}
    assert used(stack, host) == before + 5
    grown = asked(stack, "POST", f"/v1/vms/{one}/volumes/{volume}/grow", {"size_gib": 8})
    assert grown["job"]["state"] == "succeeded", grown
    assert (at_host(stack)["volumes"][volume]["size_gib"], used(stack, host)) == (8, before + 8)
    assert asked(stack, "DELETE", f"/v1/vms/{one}/volumes/{volume}?keep=true")["job"]["state"] == "succeeded"
    assert at_host(stack)["volumes"][volume]["vm"] == ""
    assert stack.http.get(f"/v1/volumes/{volume}").json()["state"] == "detached"
    assert asked(stack, "POST", f"/v1/vms/{other}/volumes", {"volume": "data"})["job"]["state"] == "succeeded"
    answer = stack.http.delete(f"/v1/vms/{other}?keep_volumes=true")
    assert stack.finish(answer.json()["job"]["id"])["state"] == "succeeded"
    assert (at_host(stack)["volumes"][volume]["vm"], used(stack, host)) == ("", before + 8 - 1)
    assert asked(stack, "DELETE", f"/v1/volumes/{volume}")["job"]["state"] == "succeeded"
    assert at_host(stack)["volumes"] == {}
    gone(stack, one)
    assert used(stack, host) == 0


def test_a_vm_is_made_with_a_new_volume_and_one_that_was_kept_and_what_fails_leaves_the_latter(
    stack: Stack, host: str
) -> None:
    first = ready(stack, "first", volumes=[{"name": "old", "size_gib": 3, "keep": True}])
    (old,) = stack.vm(first)["volumes"]
    assert (old["state"], at_host(stack)["volumes"][old["id"]]["vm"], used(stack, host)) == ("attached", first, 1 + 3)
    gone(stack, first)
    both = [{"name": "new", "size_gib": 4, "keep": True, "datastore": "fast"}, {"volume": "old"}]
    refused = stack.create("plug-fails", volumes=both)
    assert stack.finish(refused["job"]["id"])["state"] == "failed"
    assert [(v["name"], v["state"]) for v in stack.http.get("/v1/volumes").json()["items"]] == [("old", "detached")]
    assert (list(at_host(stack)["volumes"]), used(stack, host), fast(stack, host)) == ([old["id"]], 3, 0)
    plan = stack.http.post("/v1/vms?dry_run=true", json={**SECOND, "volumes": both}).json()
    assert {(v["name"], v["state"]) for v in plan["vm"]["volumes"]} == {("new", "attaching"), ("old", "attaching")}
    asks = plan["placement"]["request"]
    assert (plan["placement"]["host"], asks["disk_gib"], asks["datastores"]) == (host, 1, [["fast", 4]])
    assert stack.http.get("/v1/volumes/" + old["id"]).json()["state"] == "detached"
    second = stack.create("second", volumes=both)
    assert stack.finish(second["job"]["id"])["state"] == "succeeded"
    steps = [event["step"] for event in stack.events(second["job"]["id"]) if event["kind"] == "step.finished"]
    assert steps.index("deploy") < steps.index("attach-volume") < steps.index("start") < steps.index("settle-volume")
    assert {volume["vm"] for volume in at_host(stack)["volumes"].values()} == {second["vm"]["id"]}
    assert sorted(volume["datastore"] for volume in at_host(stack)["volumes"].values()) == ["", "fast"]
    assert (used(stack, host), fast(stack, host)) == (1 + 3, 4)
    gone(stack, second["vm"]["id"])
    gone(stack, refused["vm"]["id"])
    assert fast(stack, host) == 4  # what is on it is kept
    for volume in stack.http.get("/v1/volumes").json()["items"]:
        assert asked(stack, "DELETE", f"/v1/volumes/{volume['id']}")["job"]["state"] == "succeeded"
    assert (at_host(stack)["volumes"], used(stack, host), fast(stack, host)) == ({}, 0, 0)


def test_what_can_t_be_plugged_in_leaves_nothing_and_a_vm_takes_its_volumes_along(stack: Stack, host: str) -> None:
    refused, taken = ready(stack, "plug-fails"), ready(stack, "taken")
    before = used(stack, host)
    failed = asked(stack, "POST", f"/v1/vms/{refused}/volumes", {"size_gib": 5})
    assert failed["job"]["state"] == "failed"
    assert (used(stack, host), at_host(stack)["volumes"]) == (before, {})
    assert stack.http.get("/v1/volumes").json()["items"] == []
    failed = asked(stack, "POST", f"/v1/vms/{refused}/nics", {"network": "lab", "addresses": ["10.78.0.60/24"]})
    assert failed["job"]["state"] == "failed"
    assert len(stack.vm(refused)["nics"]) == 1
    assert stack.vm(refused)["state"] == "ready"
    assert asked(stack, "POST", f"/v1/vms/{taken}/volumes", {"size_gib": 5})["job"]["state"] == "succeeded"
    gone(stack, taken)
    gone(stack, refused)
    assert (used(stack, host), at_host(stack)["volumes"]) == (0, {})


def test_a_card_comes_is_seen_after_a_reboot_and_goes_with_its_address(stack: Stack, host: str) -> None:
    vm = ready(stack, "cards")
    plugged = asked(stack, "POST", f"/v1/vms/{vm}/nics", {"network": "lab", "addresses": ["10.78.0.61/24"]})
    assert plugged["job"]["state"] == "succeeded", plugged
    mac = plugged["nic"]["mac"]
    assert asked(stack, "POST", f"/v1/vms/{vm}/reboot")["job"]["state"] == "succeeded"
    found = stack.vm(vm)
    assert found["state"] == "ready"
    assert "10.78.0.61/24" in found["addresses"]
    assert asked(stack, "DELETE", f"/v1/vms/{vm}/nics/{mac}")["job"]["state"] == "succeeded"
    assert [nic["mac"] for nic in stack.vm(vm)["nics"]] == [found["nics"][0]["mac"]]
    again = asked(stack, "POST", f"/v1/vms/{vm}/nics", {"network": "lab", "addresses": ["10.78.0.61/24"]})
    assert (again["job"]["state"], again["nic"]["mac"]) == ("succeeded", mac)
    gone(stack, vm)
    lab = next(n for n in stack.http.get("/v1/networks").json()["items"] if n["name"] == "lab")
    assert lab["addresses_used"] == 0


def test_vms_deleted_at_a_hundred_moments_of_their_making_leave_nothing(stack: Stack, host: str) -> None:
    database = Database(stack.env["INNKEEPER_DATABASE_URL"])
    making: dict[str, tuple[str, int]] = {}  # by its job: a vm, and the event at which it is deleted

    def rows(query: Select[Any]) -> list[Any]:
        with database.read() as session:
            return list(session.execute(query).all())

    def made(n: int, event: int) -> str:
        links = [{"network": "default"}, {"network": "lab", "addresses": [f"10.78.0.{100 + n}/24"]}]
        there = {"datastore": "fast"} if n % 4 == 1 else {}
        disks = [{"name": f"data-{n}", "size_gib": 1, **there}] if n % 2 else []
        found = stack.create(f"brief-{n}", networks=links, volumes=disks)
        making[found["job"]["id"]] = found["vm"]["id"], event
        return str(found["job"]["id"])

    def deleted_when_due() -> bool:
        """Those whose journals have come so far; whether none is left."""
        for job, told in rows(select(Job.id, Job.last_seq).where(Job.id.in_(list(making)))):
            vm, event = making[job]
            if told >= event:
                answer = stack.http.delete(f"/v1/vms/{vm}")
                # Whoever meets a job that moves on in this very moment is told so, and comes again.
                assert answer.status_code == 202 or (answer.status_code, answer.json()["code"]) == (409, "conflict")
                if answer.status_code == 202:
                    del making[job]
        return not making

    def all_there_is() -> list[Any]:
        """Of whomever: what is held in the tables, and what is on the host."""
        held = [rows(select(func.count()).select_from(table)) for table in (Claim, AddressLease)]
        volumes = [volume["id"] for volume in stack.http.get("/v1/volumes").json()["items"]]
        files = sorted((stack.directory / "agent-fake-1" / "vms").iterdir())
        room = used(stack, host), fast(stack, host)
        return [held, volumes, files, at_host(stack)["vms"].keys(), at_host(stack)["volumes"], room]

    before = all_there_is()
    whole = [made(n, 1) for n in (100, 101)]
    assert [stack.finish(job)["state"] for job in whole] == ["succeeded"] * 2
    last = [rows(select(Job.last_seq).where(Job.id == job))[0][0] for job in whole]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(made, n, 1 + n * last[n % 2] // 100) for n in range(100)]
        until(lambda: deleted_when_due() and all(job.done() for job in jobs) and not making, 90, "all deleted")
    ended = select(Job.step).where(Job.id.in_([job.result() for job in jobs]), Job.state == "cancelled")
    assert len({step for (step,) in rows(ended)}) >= 4  # steps at which it was ended
    there = select(Vm.id).where(Vm.name.like("brief-%"), Vm.deleted_at.is_(None))
    until(lambda: not rows(there), 60, "every vm is gone", pause=0.2)
    assert all_there_is() == before
    database.close()
    assert orphans(stack) == []
