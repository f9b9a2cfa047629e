# SPDX-License-Identifier: Apache-2.0
"""Vms that come to be other than they were asked to be: told at once, kept, and adopted, repaired or forgotten."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.flow import FLOWS
from services.common.contracts.ids import new_id
from services.common.store.journal import SqlJournal
from services.common.store.models import Host, Job, Vm
from services.conductor.reconciler import FRESH_S, Reconciler
from tests.support.front_door import Api


class Guest:
    """A vm that runs on a host, and what its host tells."""

    def __init__(self, api: Api, state: str = "ready"):
        self.api = api
        self.reconciler = Reconciler(api.database, SqlJournal(api.database), 60)
        self.host = new_id()
        with api.database.write() as db:
            db.add(Host(id=self.host, name=self.host, driver="fake", state="up", created_at=0, updated_at=0))
        body = {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"}
        self.id = api.done("member", "POST", "/v1/vms", body)["vm"]["id"]
        self.settles(state, host_id=self.host, power="on" if state == "ready" else "off")

    def settles(self, state: str, **more: Any) -> None:
        """Its job is over, a while ago."""
        with self.api.database.write() as db:
            db.execute(update(Job).where(Job.vm_id == self.id).values(state="succeeded"))
            past = {"job_id": None, "updated_at": time.time() - 2 * FRESH_S}
            db.execute(update(Vm).where(Vm.id == self.id).values(state=state, **past, **more))

    def turns(self, power: str) -> None:
        """Its host has seen its power change."""
        kind = AgentEventKind.LIFECYCLE
        self.reconciler.lifecycle(AgentEvent(new_id(), kind, self.host, time.time(), self.id, data={"power": power}))

    def is_listed(self, power: str = "") -> None:
        """Its host lists it; without `power` it lists nothing."""
        with self.api.database.read() as db:
            platform = SqlJournal(self.api.database).platform(db)
        item = {"vm": self.id, "fence": 1, "power": power, "name": "", "platform": platform}
        data = {"vms": [item] if power else [], "complete": True}
        self.reconciler.inventory(AgentEvent(new_id(), AgentEventKind.INVENTORY, self.host, time.time(), data=data))

    def shown(self) -> Any:
        return self.api.done("viewer", "GET", f"/v1/vms/{self.id}")

    def drift(self) -> Any:
        return self.api.done("viewer", "GET", f"/v1/vms/{self.id}/drift")

    def asks(self, remedy: str) -> Any:
        return self.api.ask("member", "POST", f"/v1/vms/{self.id}/drift:{remedy}")


@pytest.fixture
def guest(api: Api) -> Callable[..., Guest]:
    return lambda state="ready": Guest(api, state)


def test_what_was_switched_off_is_told_kept_and_shown(guest: Callable[..., Guest]) -> None:
    vm = guest()
    begun = time.time()
    vm.turns("off")
    found = vm.shown()
    assert (found["state"], found["drift"]["wanted"], found["drift"]["power"]) == ("stopped", "ready", "off")
    assert found["drift"]["can"] == ["repair", "adopt"]
    (line,) = vm.drift()["items"]
    assert line["text"] == "it was switched off, not by this platform: ready became stopped"
    feed = vm.api.done("viewer", "GET", f"/v1/events?after={begun!r}/x/0&limit=1000")
    (event,) = [e for e in feed["items"] if e["vm"] == vm.id and e["kind"] == "vm.drifted"]
    assert (event["job"], event["drift"], event["vm_state"]) == ("", line["id"], "stopped")
    assert vm.api.done("viewer", "GET", f"/v1/events?after={feed['next']}")["items"] == []


def test_adopting_makes_what_is_what_was_asked_for(guest: Callable[..., Guest]) -> None:
    vm = guest()
    vm.turns("off")
    assert vm.asks("adopt").json["drift"] is None
    assert vm.drift()["items"][0]["data"]["how"] == "adopted"
    assert vm.drift()["items"][0]["data"]["by"] == "member"
    assert vm.asks("adopt").status_code == 409
    vm.turns("on")
    assert vm.shown()["drift"]["wanted"] == "stopped"


def test_repairing_sends_a_job_and_the_drift_ends_when_it_has_worked(guest: Callable[..., Guest]) -> None:
    vm = guest()
    vm.turns("crashed")
    job = vm.asks("repair").json["job"]
    assert job["kind"] == "vm.start"
    assert vm.drift()["drift"] == {**vm.drift()["drift"], "job": job["id"], "can": []}
    assert vm.asks("repair").status_code == 409
    vm.settles("stopped")  # the job broke
    vm.is_listed("off")
    assert vm.drift()["drift"]["can"] == ["repair", "adopt"]
    vm.asks("repair")
    vm.settles("ready", power="on")
    vm.is_listed("on")
    assert vm.drift()["drift"] is None
    assert vm.drift()["items"][0]["data"]["how"] == "repaired"


def test_a_vm_that_is_gone_is_made_again_only_around_its_disks(guest: Callable[..., Guest]) -> None:
    vm = guest()
    vm.turns("absent")
    assert vm.shown()["state"] == "missing"
    assert vm.asks("repair").status_code == 503  # nobody has looked for its disks yet
    vm.settles("missing")
    vm.is_listed()
    assert vm.drift()["drift"]["can"] == ["forget"]
    assert vm.asks("repair").status_code == 409
    vm.is_listed("absent")
    assert vm.drift()["drift"]["files"] is True
    assert vm.asks("repair").json["job"]["kind"] == "vm.repair"
    assert not {"erase", "release"} & {step.undo for step in FLOWS["vm.repair"].steps}


def test_what_is_gone_can_be_forgotten_and_nothing_else_can(guest: Callable[..., Guest]) -> None:
    vm = guest()
    vm.turns("off")
    assert vm.asks("forget").status_code == 409
    vm.turns("absent")
    assert vm.asks("adopt").status_code == 409
    vm.settles("missing", protect=True)
    assert vm.asks("forget").status_code == 409
    vm.settles("missing", protect=False)
    assert vm.asks("forget").json["job"]["kind"] == "vm.delete"
    vm.settles("deleting")
    assert vm.drift()["items"][0]["data"]["how"] == "forgotten"


def test_what_passes_by_itself_and_what_somebody_takes_up_is_over(guest: Callable[..., Guest]) -> None:
    vm = guest()
    vm.turns("off")
    vm.turns("on")
    assert vm.shown()["drift"] is None
    assert vm.drift()["items"][0]["data"]["how"] == "passed"
    vm.turns("off")
    job = vm.api.done("member", "POST", f"/v1/vms/{vm.id}/start")["job"]["id"]
    assert vm.shown()["drift"] is None
    assert vm.drift()["items"][0]["data"] == {**vm.drift()["items"][0]["data"], "how": "taken-up", "job": job}


def test_a_list_begun_before_the_vm_was_stopped_is_not_believed(guest: Callable[..., Guest]) -> None:
    vm = guest("stopped")
    with vm.api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == vm.id).values(updated_at=time.time()))
    vm.is_listed("on")
    assert vm.shown()["state"] == "stopped"
    vm.settles("stopped")
    vm.is_listed("on")
    assert vm.shown()["drift"]["can"] == ["repair", "adopt"]
