# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a vm, over HTTP: its host is asked; what was kept of a broken job stays to be seen."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from services.common.contracts.evidence import PNG
from services.common.contracts.ids import new_id
from services.common.contracts.states import VmState
from services.common.store.models import Evidence, Job, Vm
from tests.support.front_door import Api
from tests.support.waiting import until

SCREEN = PNG + b"pixels"


@pytest.fixture
def vm(api: Api) -> str:
    """A vm that is on a host."""
    made = api.done("member", "POST", "/v1/vms", {"name": f"e-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"})
    put(api, made["vm"]["id"], host_id="host-1", state=str(VmState.READY))
    return str(made["vm"]["id"])


def put(api: Api, vm: str, **values: Any) -> None:
    with api.database.write() as db:
        db.execute(update(Vm).where(Vm.id == vm).values(**values))


def keep(api: Api, vm: str, console: str, job: str | None = None, screenshot: bytes | None = None) -> None:
    """Something was seen of it earlier."""
    now = time.time()
    row = Evidence(id=new_id(), vm_id=vm, host_id="host-1", job_id=job, asked_at=now - 60, taken_at=now - 59)
    row.console, row.screenshot = console, screenshot
    with api.database.write() as db:
        db.add(row)


@contextmanager
def answering(api: Api, vm: str, console: str, screenshot: bytes | None = None) -> Iterator[None]:
    """A host that answers the next question about the vm."""

    def asked() -> str | None:
        with api.database.read() as db:
            return db.scalars(select(Evidence.id).where(Evidence.vm_id == vm, Evidence.taken_at.is_(None))).first()

    def answer() -> None:
        row = until(asked, 10, "the question")
        seen = {"taken_at": time.time(), "console": console, "screenshot": screenshot}
        with api.database.write() as db:
            db.execute(update(Evidence).where(Evidence.id == row).values(**seen))

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join()


def test_the_console_is_plain_text_as_the_host_sees_it_now(api: Api, vm: str) -> None:
    keep(api, vm, "of yesterday\n")
    with answering(api, vm, "login: \n"):
        answer = api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log")
    assert (answer.status_code, answer.text) == (200, "login: \n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Innkeeper-Taken-At"]


def test_the_screen_is_a_png(api: Api, vm: str) -> None:
    with answering(api, vm, "", SCREEN):
        answer = api.ask("viewer", "GET", f"/v1/vms/{vm}/screenshot")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, SCREEN, "image/png")


def test_a_vm_without_a_screen_has_no_picture(api: Api, vm: str) -> None:
    with answering(api, vm, "text only\n"):
        answer = api.ask("viewer", "GET", f"/v1/vms/{vm}/screenshot")
    assert answer.status_code == 404
    assert "no picture" in answer.json["detail"]


def test_those_who_ask_at_the_same_time_share_one_look(api: Api, vm: str) -> None:
    with answering(api, vm, "once\n"):
        for _ in range(3):
            assert api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log").text == "once\n"
    with api.database.read() as db:
        assert len(db.scalars(select(Evidence.id).where(Evidence.vm_id == vm)).all()) == 1


def test_a_silent_host_is_a_503_that_says_so(api: Api, vm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.handlers.evidence.PATIENCE_S", 0.2)
    answer = api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log")
    assert answer.status_code == 503
    assert "did not answer within 0.2 s" in answer.json["detail"]


def test_of_a_vm_that_was_walked_back_what_was_kept_is_shown(api: Api, vm: str) -> None:
    keep(api, vm, "its last words\n", screenshot=SCREEN)
    put(api, vm, state=str(VmState.FAILED))
    assert api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log").text == "its last words\n"
    assert api.ask("viewer", "GET", f"/v1/vms/{vm}/screenshot").data == SCREEN


def test_of_a_vm_that_was_never_on_a_host_there_is_nothing(api: Api, vm: str) -> None:
    put(api, vm, host_id=None)
    assert api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log").status_code == 404


def test_a_broken_job_s_evidence_stays_to_be_seen_and_the_job_says_where(api: Api, vm: str) -> None:
    with api.database.write() as db:
        job = db.scalars(select(Job).where(Job.vm_id == vm)).one()
        evidence = {"console": "end\n", "taken_at": time.time(), "screenshot": True}
        job.error = {"code": "stalled", "title": "No progress", "detail": "silent", "evidence": evidence}
        job_id = job.id
    keep(api, vm, "the whole end\n", job_id, SCREEN)
    keep(api, vm, "of today\n")
    shown = api.done("viewer", "GET", f"/v1/jobs/{job_id}")["error"]["evidence"]
    assert shown["console"] == "end\n"
    assert shown["taken_at"].startswith("20")
    assert api.ask("viewer", "GET", shown["links"]["console_log"]).text == "the whole end\n"
    assert api.ask("viewer", "GET", shown["links"]["screenshot"]).data == SCREEN
    other = api.ask("viewer", "GET", f"/v1/vms/{vm}/console-log?job={new_id()}")
    assert other.status_code == 404


def test_steps_that_wait_for_a_guest_say_how_long_it_may_be_silent(api: Api, vm: str) -> None:
    with api.database.read() as db:
        job_id = db.scalars(select(Job.id).where(Job.vm_id == vm)).one()
    steps = {s["name"]: s["silence_s"] for s in api.done("viewer", "GET", f"/v1/jobs/{job_id}")["steps"]}
    assert steps["boot"] == 600.0
    assert steps["deploy"] is None


def test_a_job_that_waits_for_its_guest_says_how_far_that_is(api: Api, vm: str) -> None:
    with api.database.write() as db:
        job = db.scalars(select(Job).where(Job.vm_id == vm)).one()
        job_id = job.id
        job.state, job.step = "waiting", "boot"
        job.facts = {"boot": {"phase": {"name": "network", "percent": 50, "at": time.time()}}}
    phase = api.done("viewer", "GET", f"/v1/jobs/{job_id}")["phase"]
    assert (phase["name"], phase["percent"]) == ("network", 50)
    with api.database.write() as db:
        db.get_one(Job, job_id).state = "succeeded"
    assert api.done("viewer", "GET", f"/v1/jobs/{job_id}")["phase"] is None


def test_another_project_s_vm_is_not_seen(api: Api, vm: str) -> None:
    user = api.user()
    api.ids[user["username"]] = user["id"]
    project = api.project(**{user["username"]: "viewer"})
    headers = {"X-Project": project["name"]}
    for what in ("console-log", "screenshot"):
        assert api.ask(user["username"], "GET", f"/v1/vms/{vm}/{what}", headers=headers).status_code == 404
