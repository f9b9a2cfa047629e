# SPDX-License-Identifier: Apache-2.0
"""The audit asks every host for all it has, and tells what nobody owns."""

import time
from threading import Thread
from typing import Any

from sqlalchemy import select, update

from services.common.contracts.codec import load
from services.common.contracts.commands import Command, Verb
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.survey import Found, FoundKind, told
from services.common.contracts.topics import COMMAND
from services.common.store.models import AddressLease, Claim, Host, HostSurvey, Job, Network, Outbox, Vm
from services.common.store.snapshots import Wanted, note
from services.conductor.surveyor import Surveyor
from tests.support.front_door import Api
from tests.support.waiting import until


def host(api: Api, state: str = "up", **used: int) -> str:
    with api.database.write() as db:
        db.execute(update(Host).values(state="enrolled"))  # those of other tests
        row = Host(id=new_id(), name=new_id(), driver="fake", state=state, created_at=0, updated_at=0, **used)
        db.add(row)
        return row.id


def vm_on(api: Api, host_id: str, **more: Any) -> str:
    asked = {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"}
    vm_id: str = api.done("member", "POST", "/v1/vms", asked)["vm"]["id"]
    with api.database.write() as db:
        db.execute(update(Job).where(Job.vm_id == vm_id).values(state="succeeded"))
        values = {"state": "ready", "job_id": None, "host_id": host_id, **more}
        db.execute(update(Vm).where(Vm.id == vm_id).values(**values))
    return vm_id


class Agent:
    """Answers the next survey its host is asked for."""

    def __init__(self, api: Api, host_id: str, *found: Found, note: str = "", speaks_as: str = ""):
        self._api, self._host, self._found, self._note = api, host_id, found, note
        self._speaks_as = speaks_as or host_id
        self._thread = Thread(target=self._answer)

    def __enter__(self) -> "Agent":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _answer(self) -> None:
        command = until(self._asked, 10, "the question")
        data = told(self._found, self._note)
        event = AgentEvent(
            new_id(), AgentEventKind.SURVEY, self._speaks_as, time.time(), self._host, command=command.id, data=data
        )
        Surveyor(self._api.database).record(event)

    def _asked(self) -> Command | None:
        with self._api.database.read() as db:
            rows = db.scalars(select(Outbox).where(Outbox.kind == COMMAND))
            commands = [load(Command, row.payload) for row in rows]
        mine = [c for c in commands if c.verb == Verb.SURVEY and c.host == self._host]
        return mine[-1] if mine else None


def audited(api: Api, wait: float = 10) -> Any:
    return api.done("admin", "GET", f"/v1/audit/orphans?wait={wait}")


def test_what_a_host_has_of_nobody_is_told_and_what_is_owned_is_not(api: Api) -> None:
    here = host(api)
    mine = vm_on(api, here)
    with api.database.read() as db:
        net = db.scalars(select(Network.id)).first()
    with api.database.write() as db:
        kept = note(db, db.get_one(Vm, mine), Wanted(new_id(), "kept", memory=False, by="")).id
    owned = (Found(FoundKind.VM, "web", mine), Found(FoundKind.NETWORK, "n", id=str(net)))
    snapshots = [Found(FoundKind.SNAPSHOT, one, mine, one) for one in (kept, "forgotten")]
    with Agent(api, here, *owned, *snapshots, Found(FoundKind.VM, "lost", "nobody")):
        found = audited(api)
    assert found["complete"] is True
    orphans = [o for o in found["orphans"] if o["vm"] in (mine, "nobody") or o["kind"] == "network"]
    assert [(o["kind"], o["name"], o["reason"]) for o in orphans] == [
        ("snapshot", "forgotten", "no snapshot of this platform has this id"),
        ("vm", "lost", "there is no such vm"),
    ]
    assert [(h["read"], h["things"]) for h in found["hosts"]] == [(True, 5)]


def test_rows_that_hold_for_a_vm_that_is_gone_are_told(api: Api) -> None:
    here = host(api, used_vcpus=3)
    gone = vm_on(api, here, state="deleted", deleted_at=time.time() - 60)
    with api.database.write() as db:
        net = db.scalars(select(Network.id)).first()
        db.add(Claim(vm_id=gone, job_id="", host_id=here, vcpus=2, memory_mib=0, disk_gib=0, created_at=0))
        db.add(AddressLease(network_id=net, address="192.0.2.77", vm_id=gone, mac="", created_at=0))
    with Agent(api, here):
        found = audited(api)["orphans"]
    assert {o["kind"] for o in found if o["vm"] == gone} == {"claim", "address"}
    (room,) = [o for o in found if o["kind"] == "room"]
    assert (room["name"], room["reason"]) == ("vcpus", "3 are counted as used, claims and volumes hold 2")
    with api.database.write() as db:
        for row in (db.get(Claim, gone), db.get(AddressLease, (net, "192.0.2.77"))):
            db.delete(row)
        db.execute(update(Host).values(used_vcpus=0))


def test_a_host_that_could_not_be_read_makes_the_audit_incomplete(api: Api) -> None:
    host(api)
    (silent,) = audited(api, wait=0)["hosts"]
    assert (silent["read"], silent["note"]) == (False, "it did not answer in time")
    here = host(api)
    with Agent(api, here, note="it could not be read: libvirt is away"):
        found = audited(api)
    assert found["complete"] is False
    host(api, "down")
    (down,) = audited(api, wait=0)["hosts"]
    assert down["note"] == "it is down, and was not asked"


def test_a_survey_that_nobody_asked_that_host_for_is_dropped(api: Api) -> None:
    here = host(api)
    with Agent(api, here, Found(FoundKind.VM, "x", "y"), speaks_as="another"):
        audited(api, wait=1)
    with api.database.read() as db:
        assert [row.taken_at for row in db.scalars(select(HostSurvey).where(HostSurvey.host_id == here))] == [None]
