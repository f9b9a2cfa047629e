# SPDX-License-Identifier: Apache-2.0
"""No member learns what a host is called, whatever is asked; admins see it everywhere."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.contracts.codec import dump
from services.common.contracts.events import JobEventKind
from services.common.contracts.ids import new_id
from services.common.contracts.journal import NewEvent
from services.common.contracts.masking import masked_host
from services.common.runtime.ask import Answerer
from services.common.store.appending import append_events
from services.common.store.models import Host, Job, StoredDecision, Vm
from services.scheduler.choose import choose
from services.scheduler.explain import TOPIC, Explainer
from services.scheduler.lookout import Lookout
from services.scheduler.policy_file import Shelf
from tests.support.front_door import Api
from tests.support.placing import SHELF, a_host, a_request

NAME, OTHER = "cellar-7.example", "attic-3.example"
VM = {"os": "mini", "flavor": "tiny"}


@dataclass(frozen=True)
class Story:
    """A vm on a host, with everything that speaks of it."""

    vm: str
    job: str
    host: str
    other: str
    decision: str


@pytest.fixture
def story(api: Api) -> Iterator[Story]:
    host, other, decision = new_id(), new_id(), new_id()
    made = api.done("member", "POST", "/v1/vms", {"name": f"m-{new_id()[-12:]}", **VM})
    vm, job = made["vm"]["id"], made["job"]["id"]
    hosts = [a_host(NAME, id=host), a_host(OTHER, id=other, state="maintenance")]
    chosen = choose(a_request(id=vm), hosts, SHELF.get(), 1)
    with api.database.write() as db:
        for one in hosts:
            db.add(_row(one.id, one.name))
        db.flush()
        db.get_one(Vm, vm).host_id = host
        row = db.get_one(Job, job)
        row.error = {"code": "stalled", "detail": "late", "evidence": {"host": NAME, "host_state": "up"}}
        facts = {"host": host, "host_name": NAME, "score": 1.0}
        stalled = {"host": NAME, "host_state": "up"}
        append_events(
            db,
            job,
            [
                NewEvent(JobEventKind.STEP_FINISHED, "place", data=facts),
                NewEvent(JobEventKind.STALLED, "boot", "late", stalled),
            ],
        )
        db.add(
            StoredDecision(
                id=decision,
                project_id=api.project_id,
                job_id=job,
                vm_id=vm,
                host_id=host,
                policy="balanced",
                policy_sha=chosen.policy_sha,
                generation=1,
                explanation=dump(chosen),
                created_at=1.0,
            )
        )
    yield Story(vm, job, host, other, decision)
    with api.database.write() as db:
        for one in (host, other):
            db.delete(db.get_one(Host, one))


def _row(host_id: str, name: str) -> Host:
    return Host(
        id=host_id,
        name=name,
        driver="fake",
        state="maintenance",
        vcpus=8,
        memory_mib=8192,
        disk_gib=100,
        heartbeat_at=1.0,
        created_at=1.0,
        updated_at=1.0,
    )


def surfaces(story: Story) -> tuple[str, ...]:
    return (
        "/v1/hosts",
        f"/v1/hosts/{story.host}",
        "/v1/vms",
        f"/v1/vms/{story.vm}",
        "/v1/jobs",
        f"/v1/jobs/{story.job}",
        f"/v1/jobs/{story.job}/events",
        "/v1/events?limit=1000",
    )


def test_no_list_resource_or_event_tells_a_member_a_host_s_name(api: Api, story: Story) -> None:
    for path in surfaces(story):
        told = api.ask("member", "GET", path)
        assert told.status_code == 200, (path, told.text)
        assert NAME not in told.text, path
        assert OTHER not in told.text, path


def test_admins_are_told_by_the_same_surfaces(api: Api, story: Story) -> None:
    silent = [path for path in surfaces(story) if NAME not in api.ask("admin", "GET", path).text]
    assert silent == []


def test_events_call_a_host_what_the_vm_calls_it(api: Api, story: Story) -> None:
    label = api.done("member", "GET", f"/v1/vms/{story.vm}")["host"]
    events = api.done("member", "GET", f"/v1/jobs/{story.job}/events")["items"]
    placed = next(e for e in events if e["step"] == "place" and e["kind"] == str(JobEventKind.STEP_FINISHED))
    assert placed["data"] == {"host": label, "host_name": label, "score": 1.0}


def test_a_stream_masks_what_it_replays_and_what_comes_live(api: Api, story: Story) -> None:
    headers = {"Accept": "text/event-stream"}
    answer = api.ask("member", "GET", f"/v1/jobs/{story.job}/events", headers=headers)
    facts = {"host": story.host, "host_name": NAME}
    live = NewEvent(JobEventKind.STEP_FINISHED, "place", data=facts)
    end = NewEvent(JobEventKind.SUCCEEDED)

    def goes_on() -> None:
        with api.database.write() as db:
            append_events(db, story.job, [live, end])
            db.get_one(Job, story.job).state = "succeeded"

    ending = threading.Timer(1.0, goes_on)
    ending.start()
    text = answer.get_data(as_text=True)
    ending.join()
    assert text.count('"host_name":"host-') == 2
    assert NAME not in text


@pytest.mark.parametrize("path", ["/v1/placements:explain", "/v1/vms?dry_run=true"])
def test_neither_an_explanation_nor_a_dry_run_names_hosts_to_members(
    api: Api, story: Story, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 2.0)  # no image builder will ever answer
    answerer = Answerer(api.settings.redis_url, TOPIC, Explainer(Lookout(api.database), Shelf()).answer).start()
    body: dict[str, Any] = VM if "explain" in path else {"name": "dry", **VM}
    try:
        told = {who: api.ask(who, "POST", path, body) for who in ("member", "admin")}
    finally:
        answerer.stop()
    assert NAME in told["admin"].text
    assert not [word for word in (NAME, OTHER, story.host, story.other) if word in told["member"].text]
    assert masked_host(story.host) in told["member"].text
