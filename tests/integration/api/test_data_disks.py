# SPDX-License-Identifier: Apache-2.0
"""Vms that are made with volumes, over HTTP and through their steps: what is refused, what is booked, what is left."""

import time
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from services.api.intents.ownership import lost_room
from services.common.contracts import advance
from services.common.contracts.abilities import Ability
from services.common.contracts.datastores import Datastore
from services.common.contracts.errors import NoHost, StepFailed
from services.common.contracts.flow import UNDO_STEPS
from services.common.contracts.ids import new_id
from services.common.contracts.journal import Done, JobView, Park, StepContext
from services.common.contracts.masking import masked_host
from services.common.store.control import retry
from services.common.store.datastores import note_datastores
from services.common.store.journal import SqlJournal
from services.common.store.models import Claim, Host, HostDatastore, Job, Project, Vm, Volume
from services.scheduler.steps import Placer
from services.worker.steps import HostSteps
from services.worker.volume_steps import VolumeSteps
from tests.support.front_door import Api
from tests.support.inn import ABLE
from tests.support.placing import SHELF

GONE = "f0000000-0000-7000-8000-000000000000"


@pytest.fixture
def host(api: Api) -> str:
    """The only host there is."""
    with api.database.write() as db:
        for table in (Claim, Volume):
            db.execute(delete(table))
        db.execute(update(Vm).values(host_id=None))
        db.execute(delete(Host))
    return a_host(api)


def a_host(api: Api, *abilities: str, disk_gib: int = 100, driver: str = "fake") -> str:
    with api.database.write() as db:
        facts = {"capabilities": [*ABLE, *(abilities or (Ability.VOLUME_ATTACH,))]}
        row = Host(id=new_id(), name=f"h-{new_id()}", driver=driver, state="up", facts=facts, disk_gib=disk_gib)
        row.vcpus, row.memory_mib, row.heartbeat_at = 8, 8192, time.time()
        row.created_at = row.updated_at = 0.0
        db.add(row)
        return row.id


def a_datastore(api: Api, host: str, size_gib: int) -> None:
    """One that is called fast."""
    with api.database.write() as db:
        row = db.get_one(Host, host)
        row.facts = {**row.facts, "datastores": ["fast"]}
        note_datastores(db, host, [Datastore("fast", "directory", size_gib)])


def a_body(*volumes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny", "volumes": list(volumes), **more}


def a_kept_one(api: Api, host: str, gib: int = 5) -> str:
    """A detached volume that lies on this host; its name."""
    with api.database.write() as db:
        name = f"kept-{new_id()[-12:]}"
        row = Volume(id=new_id(), project_id=api.project_id, name=name, state="detached", host_id=host, keep=True)
        row.size_gib = row.wanted_gib = row.held_gib = gib
        row.created_at = row.updated_at = 0.0
        db.add(row)
        db.execute(update(Host).where(Host.id == host).values(used_disk_gib=Host.used_disk_gib + gib))
        return name


def shown(api: Api, name: str) -> tuple[str, int, str | None]:
    """State, what it holds, and whose it is."""
    with api.database.read() as db:
        row = db.scalars(select(Volume).where(Volume.name == name)).one()
        return row.state, row.held_gib, row.vm_id


def disk(api: Api, host: str) -> tuple[int, int]:
    """(counted as used on the host, held by claims)"""
    with api.database.read() as db:
        used = db.scalars(select(Host.used_disk_gib).where(Host.id == host)).one()
        return used, sum(db.scalars(select(Claim.disk_gib).where(Claim.host_id == host)))


class Making:
    """A vm's job, step by step as the workers do it."""

    def __init__(self, api: Api, body: dict[str, Any]):
        self.api = api
        answer = api.done("member", "POST", "/v1/vms", body)
        self.vm, self.job = answer["vm"], answer["job"]["id"]
        self.journal = SqlJournal(api.database)
        placer, own, volumes = Placer(api.database, SHELF), HostSteps(api.database), VolumeSteps(api.database)
        release = {"place": placer.place, "release": placer.release}
        self.handlers = {**own.handlers(), **volumes.handlers(), **release}

    def step(self, name: str) -> Done | Park:
        """Take the job at this step, twice as a worker may; written once, the second time over itself."""
        context = self.at(name)
        for _ in range(2):
            outcome = self.handlers[name](context)
        if isinstance(outcome, Done):
            assert self.journal.apply(context.job, advance.finished(context.job, outcome))
        return outcome

    def at(self, name: str) -> StepContext:
        with self.api.database.write() as db:
            queue = "scheduler" if name in ("place", "release") else "worker"
            undo = [name] if name in UNDO_STEPS else []
            now = {"state": "undoing" if undo else "running", "undo": undo, "step": name, "queue": queue}
            now |= {"due_at": 0.0, "lease_until": 0.0}
            db.execute(update(Job).where(Job.id == self.job).values(**now))
        job = self.journal.claim(self.job, queue, "desk", 30.0)
        assert isinstance(job, JobView)
        return StepContext(job, lambda *_: None, time.time())


def test_a_vm_is_made_with_a_new_volume_and_one_that_was_kept(api: Api, host: str) -> None:
    kept, name = a_kept_one(api, host), f"data-{new_id()[-12:]}"
    a_host(api)  # as good, but for the volume
    making = Making(api, a_body({"name": name, "size_gib": 7, "keep": True}, {"volume": kept}))
    assert {(v["name"], v["state"], v["host"] == "") for v in making.vm["volumes"]} == {
        (name, "attaching", True),
        (kept, "attaching", False),
    }
    placed = making.step("place")
    assert isinstance(placed, Done)
    assert (placed.facts["host"], disk(api, host)) == (host, (1 + 7 + 5, 1 + 7))
    told = making.step("attach-volume")
    assert isinstance(told, Park)
    assert told.command is not None
    assert sorted((plan.size_gib, plan.keep) for plan in told.command.volumes) == [(5, True), (7, True)]
    making.step("settle-volume")
    assert (shown(api, name), shown(api, kept)) == (
        ("attached", 7, making.vm["id"]),
        ("attached", 5, making.vm["id"]),
    )
    assert disk(api, host) == (1 + 7 + 5, 1)


def test_a_vm_goes_to_a_host_with_the_datastore_of_its_volume_and_holds_room_there(api: Api, host: str) -> None:
    small, bare = a_host(api), a_host(api)
    for where, size in ((host, 50), (small, 5)):
        a_datastore(api, where, size)
    name = f"data-{new_id()[-12:]}"
    making = Making(api, a_body({"name": name, "size_gib": 7, "datastore": "fast"}, {"size_gib": 2}))

    def fast() -> int:
        with api.database.read() as db:
            return db.get_one(HostDatastore, (host, "fast")).used_gib

    placed = making.step("place")
    assert isinstance(placed, Done)
    assert (placed.facts["host"], fast(), disk(api, host)) == (host, 7, (3, 3))
    making.step("release")
    assert (shown(api, name), fast(), disk(api, host)) == (("deleted", 0, None), 0, (0, 0))
    with api.database.write() as db:
        retry(db, db.get_one(Job, making.job), making.journal)
    making.step("place")
    told = making.step("attach-volume")
    assert isinstance(told, Park)
    assert told.command is not None
    assert sorted((plan.size_gib, plan.datastore) for plan in told.command.volumes) == [(2, ""), (7, "fast")]
    making.step("settle-volume")
    assert (shown(api, name), fast(), disk(api, host)) == (("attached", 7, making.vm["id"]), 7, (3, 1))
    with api.database.write() as db:
        assert not list(lost_room(db))
        db.execute(update(HostDatastore).where(HostDatastore.host_id == host).values(used_gib=9))
        assert [(one.name, one.host) for one in lost_room(db)] == [("datastore fast", host)]
    too_much = Making(api, a_body({"size_gib": 45, "datastore": "fast"}))
    context = too_much.at("place")
    with pytest.raises(NoHost, match="GiB left on its datastore 'fast', where 45 are asked for") as refused:
        too_much.handlers["place"](context)
    refusals = {miss["host"]: miss["reason"] for miss in refused.value.extra["explanation"]["misses"]}
    assert refusals.keys() == {masked_host(one) for one in (host, small, bare)}
    assert "has no datastore 'fast'" in refusals[masked_host(bare)]


def test_a_vm_that_can_t_be_made_takes_its_new_volumes_along_and_leaves_the_others(api: Api, host: str) -> None:
    kept, name = a_kept_one(api, host), f"data-{new_id()[-12:]}"
    making = Making(api, a_body({"name": name, "size_gib": 7, "keep": True}, {"volume": kept}))
    making.step("place")
    erased = making.step("erase")
    assert isinstance(erased, Park)
    assert erased.command is not None
    assert [plan.size_gib for plan in erased.command.volumes] == [7]  # what is on the other one stays
    making.step("release")  # the last undo: the job has failed
    assert (shown(api, name), shown(api, kept)) == (("deleted", 0, None), ("detached", 5, None))
    assert disk(api, host) == (5, 0)
    with api.database.write() as db:
        retry(db, db.get_one(Job, making.job), making.journal)
    assert (shown(api, name)[0], shown(api, kept)[0]) == ("attaching", "attaching")
    making.step("place")
    assert disk(api, host) == (1 + 7 + 5, 1 + 7)


def test_the_host_of_a_kept_volume_is_the_only_one_that_is_asked(api: Api, host: str) -> None:
    kept = a_kept_one(api, host)
    a_host(api)
    with api.database.write() as db:
        db.execute(update(Host).where(Host.id == host).values(memory_mib=16))
    making = Making(api, a_body({"volume": kept}))
    context = making.at("place")
    with pytest.raises(NoHost, match="no other host than the one on which its volumes lie") as refused:
        making.handlers["place"](context)
    assert not [way for way in refused.value.extra["explanation"]["relaxations"] if "host" in way["field"]]
    with api.database.write() as db:
        elsewhere = db.scalars(select(Host.id).where(Host.id != host)).first()
        db.execute(update(Vm).where(Vm.id == making.vm["id"]).values(host_id=elsewhere))
    with pytest.raises(StepFailed, match="lies on another host"):
        making.handlers["attach-volume"](making.at("attach-volume"))


@pytest.mark.parametrize(
    ("volumes", "pointer"),
    [
        ([{}], "/volumes/0/size_gib"),
        ([{"name": "a", "size_gib": 0}], "/volumes/0/size_gib"),
        ([{"size_gib": 1}, {"size_gib": 1, "datastore": "nobody-has-it"}], "/volumes/1/datastore"),
        ([{"name": "a", "size_gib": 1, "volume": "b"}], "/volumes/0/volume"),
        ([{"size_gib": 1}, {"volume": "b", "name": "c"}], "/volumes/1/name"),
        ([{"name": "a", "size_gib": 1}, {"name": "a", "size_gib": 1}], "/volumes/1/name"),
        ([{"volume": "nobody-knows-it"}], "/volumes/0/volume"),
        ([{"volume": GONE}], "/volumes/0/volume"),
        ([{"volume": "b", "keep": False}], "/volumes/0/keep"),
        ([{"name": "../etc", "size_gib": 1}], "/volumes/0/name"),
        ([{"size_gib": 1}] * 17, "/volumes"),
    ],
)
def test_wrong_volumes_name_their_field(api: Api, host: str, volumes: list[dict[str, Any]], pointer: str) -> None:
    answer = api.ask("member", "POST", "/v1/vms", a_body(*volumes))
    assert answer.status_code == 422, answer.text
    assert [(problem["pointer"], bool(problem["fix"])) for problem in answer.json["errors"]] == [(pointer, True)]


def test_what_is_taken_is_a_conflict_that_names_its_field(api: Api, host: str) -> None:
    kept, far = a_kept_one(api, host), a_kept_one(api, a_host(api, driver="libvirt"))
    body = a_body({"name": kept, "size_gib": 1})
    answer = api.ask("member", "POST", "/v1/vms", body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/volumes/0/name")
    answer = api.ask("member", "POST", "/v1/vms", a_body({"volume": kept}, {"volume": far}))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/volumes/1/volume")
    answer = api.ask("member", "POST", "/v1/vms", a_body({"volume": far}, hypervisor="fake"))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/volumes/0/volume")
    answer = api.ask("admin", "POST", "/v1/vms", a_body({"volume": far}, host=host))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/volumes/0/volume")
    api.done("member", "POST", "/v1/vms", a_body({"volume": kept}))
    answer = api.ask("member", "POST", "/v1/vms", a_body({"volume": kept}))
    assert (answer.status_code, answer.json["code"]) == (409, "illegal-state")
    assert "attaching" in answer.json["detail"]


def test_where_no_host_can_have_volumes_they_are_refused(api: Api, host: str) -> None:
    a_host(api, Ability.RESET, driver="vsphere")
    answer = api.ask("member", "POST", "/v1/vms", a_body({"size_gib": 1}, hypervisor="vsphere"))
    assert (answer.status_code, answer.json["code"]) == (422, "unsupported")
    assert answer.json["errors"][0]["pointer"] == "/volumes"


def test_new_volumes_count_in_the_project_s_disk(api: Api, host: str) -> None:
    try:
        with api.database.write() as db:
            db.execute(update(Project).where(Project.id == api.project_id).values(quotas={"disk_gib": 100_000}))
        answer = api.ask("member", "POST", "/v1/vms", a_body({"size_gib": 60_000}, {"size_gib": 60_000}))
        assert (answer.status_code, answer.json["code"]) == (409, "quota-exceeded")
    finally:
        with api.database.write() as db:
            db.execute(update(Project).where(Project.id == api.project_id).values(quotas={}))
