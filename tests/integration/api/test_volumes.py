# SPDX-License-Identifier: Apache-2.0
"""Volumes over HTTP: what is refused, at which field, and what is booked. The host's part is in tests/e2e."""

from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.abilities import Ability
from services.common.contracts.ids import new_id
from services.common.contracts.states import VolumeState
from services.common.store.models import Host, HostDatastore, Job, Project, Vm, Volume
from services.common.store.snapshots import Wanted, note
from services.common.store.volumes import hold_room, locked_volume
from tests.support.front_door import Api

ABLE = (Ability.VOLUME_ATTACH, Ability.VOLUME_HOT, Ability.VOLUME_GROW)


def a_host(api: Api, *abilities: str, disk_gib: int = 100) -> str:
    with api.database.write() as db:
        facts = {"capabilities": list(abilities)}
        host = Host(id=new_id(), name=f"h-{new_id()}", driver="fake", state="up", facts=facts, disk_gib=disk_gib)
        host.created_at = host.updated_at = 0.0
        db.add(host)
        return host.id


def a_datastore(api: Api, host: str, size_gib: int, kind: str = "directory") -> str:
    """One more of the host's; its name."""
    with api.database.write() as db:
        row = HostDatastore(
            host_id=host, name=f"ds-{new_id()[-12:]}", kind=kind, size_gib=size_gib, grows=kind != "lvm"
        )
        db.add(row)
        return row.name


def a_vm(api: Api, host: str, state: str = "ready") -> dict[str, Any]:
    body = {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"}
    vm_id = api.done("member", "POST", "/v1/vms", body)["vm"]["id"]
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == vm_id).values(state=state, host_id=host))
    settled(api, vm_id)
    found: dict[str, Any] = api.done("member", "GET", f"/v1/vms/{vm_id}")
    return found


def settled(api: Api, vm_id: str) -> None:
    """Nothing works on the vm any more."""
    with api.database.write() as db:
        db.execute(update(Job).where(Job.vm_id == vm_id).values(state="succeeded"))
        db.execute(update(Vm).where(Vm.id == vm_id).values(job_id=None))


def attached(api: Api, vm: dict[str, Any], size_gib: int = 5, **more: Any) -> dict[str, Any]:
    """A volume that is plugged in and holds its room, as after its job."""
    asked = {"size_gib": size_gib, **more}
    volume: dict[str, Any] = api.done("member", "POST", f"/v1/vms/{vm['id']}/volumes", asked)["volume"]
    with api.database.write() as db:
        row = locked_volume(db, volume["id"])
        assert hold_room(db, row, size_gib)
        row.state = str(VolumeState.ATTACHED)
    settled(api, vm["id"])
    return volume


def test_a_volume_is_asked_for_and_shown_with_its_vm(api: Api) -> None:
    vm = a_vm(api, a_host(api, *ABLE))
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", {"name": f"d-{vm['id']}", "size_gib": 5})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json['job']['id']}"
    assert (answer.json["job"]["kind"], answer.json["volume"]["state"]) == ("vm.attach-volume", "attaching")
    (shown,) = api.done("viewer", "GET", f"/v1/vms/{vm['id']}/volumes")["items"]
    assert (shown["vm"], shown["size_gib"], shown["keep"]) == (vm["id"], 5, False)
    busy = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", {"size_gib": 1})
    assert (busy.status_code, busy.json["code"]) == (409, "conflict")


def test_a_dry_run_leaves_nothing(api: Api) -> None:
    vm = a_vm(api, a_host(api, *ABLE))
    assert api.done("member", "POST", f"/v1/vms/{vm['id']}/volumes?dry_run=true", {"size_gib": 5})["dry_run"]
    assert api.done("member", "GET", f"/v1/vms/{vm['id']}/volumes")["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/size_gib"),
        ({"size_gib": 0}, "/size_gib"),
        ({"size_gib": "5"}, "/size_gib"),
        ({"size_gib": 5, "volume": "x"}, "/volume"),
        ({"volume": "nobody-knows-it"}, "/volume"),
        ({"volume": "x", "name": "y"}, "/name"),
        ({"volume": "x", "datastore": "fast"}, "/datastore"),
        ({"size_gib": 5, "datastore": "../fast"}, "/datastore"),
        ({"size_gib": 5, "datastore": "nobody-has-it"}, "/datastore"),
        ({"size_gib": 5, "name": "../../etc"}, "/name"),
        ({"size_gib": 5, "role": "root"}, "/role"),
    ],
)
def test_a_wrong_request_names_its_field(api: Api, body: dict[str, Any], pointer: str) -> None:
    vm = a_vm(api, a_host(api, *ABLE))
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", body)
    assert answer.status_code == 422, answer.text
    assert [problem["pointer"] for problem in answer.json["errors"]] == [pointer]


def test_more_than_the_host_has_left_is_refused(api: Api) -> None:
    vm = a_vm(api, a_host(api, *ABLE, disk_gib=10))
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", {"size_gib": 11})
    assert (answer.status_code, answer.json["errors"][0]["fix"]) == (409, "at most 10 GiB more")
    volume = attached(api, vm, 6)
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes/{volume['id']}/grow", {"size_gib": 11})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/size_gib")


def test_a_volume_lies_on_the_datastore_that_is_asked_for_and_takes_no_room_but_there(api: Api) -> None:
    host = a_host(api, *ABLE, disk_gib=1)
    fast, vm = a_datastore(api, host, 20), a_vm(api, host)
    volume = attached(api, vm, 15, datastore=fast)
    shown = api.done("viewer", "GET", f"/v1/hosts/{host}")
    assert (volume["datastore"], shown["used_disk_gib"]) == (fast, 0)
    assert shown["datastores"] == [{"name": fast, "kind": "directory", "size_gib": 20, "used_gib": 15, "grows": True}]
    path = f"/v1/vms/{vm['id']}/volumes"
    answer = api.ask("member", "POST", path, {"size_gib": 6, "datastore": fast})
    assert (answer.status_code, answer.json["errors"][0]["fix"]) == (409, "at most 5 GiB more")
    assert api.ask("member", "POST", f"{path}/{volume['id']}/grow", {"size_gib": 21}).status_code == 409
    answer = api.ask("member", "POST", path, {"size_gib": 1, "datastore": "slow"})
    (problem,) = answer.json["errors"]
    assert (answer.status_code, problem["pointer"]) == (422, "/datastore")
    assert f"no datastore 'slow'; there are '{fast}'" in problem["detail"]


def test_what_an_lvm_volume_can_t_have_is_refused(api: Api) -> None:
    host = a_host(api, *ABLE, Ability.SNAPSHOT)
    vm = a_vm(api, host, "stopped")
    volume = attached(api, vm, 5, datastore=a_datastore(api, host, 20, "lvm"))
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes/{volume['id']}/grow", {"size_gib": 6})
    assert (answer.status_code, answer.json["code"]) == (422, "unsupported")
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/snapshots", {"name": "s"})
    assert (answer.status_code, "take it off first" in answer.json["detail"]) == (409, True)
    other = a_vm(api, host, "stopped")
    with api.database.write() as db:
        note(db, db.get_one(Vm, other["id"]), Wanted(new_id(), "s", memory=False, by=""))
    asked = {"size_gib": 1, "datastore": volume["datastore"]}
    answer = api.ask("member", "POST", f"/v1/vms/{other['id']}/volumes", asked)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/datastore")


def test_volumes_count_in_the_project_s_disk(api: Api) -> None:
    vm = a_vm(api, a_host(api, *ABLE))
    try:
        with api.database.write() as db:
            db.execute(update(Project).where(Project.id == api.project_id).values(quotas={"disk_gib": 1}))
        answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", {"size_gib": 1})
        assert (answer.status_code, answer.json["code"]) == (409, "quota-exceeded")
        assert answer.json["errors"][0]["pointer"] == "/size_gib"
    finally:
        with api.database.write() as db:
            db.execute(update(Project).where(Project.id == api.project_id).values(quotas={}))


def test_a_volume_never_shrinks(api: Api) -> None:
    vm = a_vm(api, a_host(api, *ABLE))
    volume = attached(api, vm, 5)
    path = f"/v1/vms/{vm['id']}/volumes/{volume['id']}/grow"
    for size in (4, 5):
        answer = api.ask("member", "POST", path, {"size_gib": size})
        assert (answer.status_code, answer.json["errors"][0]["fix"]) == (422, "give more than 5")
    assert api.done("member", "POST", path, {"size_gib": 6})["volume"]["wanted_gib"] == 6


@pytest.mark.parametrize("state", ["stopping", "failed", "missing", "provisioning"])
def test_a_vm_in_another_state_is_left_alone(api: Api, state: str) -> None:
    vm = a_vm(api, a_host(api, *ABLE), state)
    answer = api.ask("member", "POST", f"/v1/vms/{vm['id']}/volumes", {"size_gib": 1})
    assert (answer.status_code, answer.json["code"]) == (409, "illegal-state")
    assert state in answer.json["detail"]


def test_what_the_host_can_t_do_is_refused(api: Api) -> None:
    cold = a_host(api, Ability.VOLUME_ATTACH)
    answer = api.ask("member", "POST", f"/v1/vms/{a_vm(api, cold)['id']}/volumes", {"size_gib": 1})
    assert (answer.status_code, answer.json["code"]) == (422, "unsupported")
    off = a_vm(api, cold, "stopped")
    assert api.ask("member", "POST", f"/v1/vms/{off['id']}/volumes", {"size_gib": 1}).status_code == 202
    none = a_vm(api, a_host(api), "stopped")
    assert api.ask("member", "POST", f"/v1/vms/{none['id']}/volumes", {"size_gib": 1}).status_code == 422


def test_another_vm_s_and_another_project_s_volumes_are_not_there(api: Api) -> None:
    host = a_host(api, *ABLE)
    one, other = a_vm(api, host), a_vm(api, host)
    volume = attached(api, one)
    assert api.ask("member", "DELETE", f"/v1/vms/{other['id']}/volumes/{volume['id']}").status_code == 404
    assert api.ask("member", "DELETE", f"/v1/vms/{one['id']}/volumes/root").status_code == 404
    elsewhere = {"X-Project": api.project(member="member")["id"]}
    assert api.ask("member", "GET", f"/v1/volumes/{volume['id']}", headers=elsewhere).status_code == 404
    assert api.ask("member", "DELETE", f"/v1/volumes/{volume['id']}", headers=elsewhere).status_code == 404


def test_a_kept_volume_is_attached_again_on_its_host_only(api: Api) -> None:
    host = a_host(api, *ABLE)
    one, far = a_vm(api, host), a_vm(api, a_host(api, *ABLE))
    volume = attached(api, one)
    path = f"/v1/vms/{one['id']}/volumes"
    assert api.ask("member", "POST", path, {"volume": volume["id"]}).json["code"] == "illegal-state"
    assert api.ask("member", "DELETE", f"/v1/volumes/{volume['id']}").json["code"] == "illegal-state"
    with api.database.write() as db:
        db.execute(update(Volume).where(Volume.id == volume["id"]).values(state="detached", vm_id=None))
    answer = api.ask("member", "POST", f"/v1/vms/{far['id']}/volumes", {"volume": volume["name"]})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/volume")
    again = api.done("member", "POST", path, {"volume": volume["name"]})["volume"]
    assert (again["vm"], again["keep"]) == (one["id"], True)


def test_a_host_that_holds_volumes_stays(api: Api) -> None:
    host = a_host(api, *ABLE)
    vm = a_vm(api, host)
    volume = attached(api, vm)
    with api.database.write() as db:
        db.execute(update(Volume).where(Volume.id == volume["id"]).values(state="detached", vm_id=None))
        db.execute(update(Vm).where(Vm.id == vm["id"]).values(deleted_at=1.0))
    shown = api.done("admin", "GET", f"/v1/hosts/{host}")
    answer = api.ask("admin", "DELETE", f"/v1/hosts/{host}", headers={"If-Match": shown["etag"]})
    assert (answer.status_code, "holds 1 volumes" in answer.json["detail"]) == (409, True)
