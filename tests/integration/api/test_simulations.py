# SPDX-License-Identifier: Apache-2.0
"""Over HTTP: what a policy would have done with what is recorded, or with a trace; and what still fits."""

import json
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from services.api.handlers.decisions import REPLAY as ASKED_REPLAY
from services.api.handlers.simulations import SIMULATE as ASKED_SIMULATE
from services.api.handlers.simulations import WHAT_FITS as ASKED_WHAT_FITS
from services.common.contracts.codec import dump
from services.common.contracts.errors import TryAgain
from services.common.contracts.ids import new_id
from services.common.runtime.ask import Answerer
from services.common.store.models import Activation, Host, StoredDecision, StoredPolicy
from services.scheduler import seen
from services.scheduler.choose import choose
from services.scheduler.inventory import load_inventory
from services.scheduler.policy_shelf import PolicyShelf
from services.scheduler.replaying import TOPIC, Replayer
from services.scheduler.simulation.apart import Apart
from services.scheduler.simulation.errand import Errand, Trial, Written
from services.scheduler.simulation.questions import SIMULATE, WHAT_FITS, RoomCounter, Simulator
from tests.support.front_door import Api
from tests.support.hosts import add_host
from tests.support.placing import PLAIN, a_request
from tests.support.problems import problem
from tests.support.waiting import until

PACK = PLAIN.replace("WEIGHER", "pack").lstrip()
TIGHT = """apiVersion: scheduler/v1
kind: PlacementPolicy
metadata: {name: tight, version: 1, extends: balanced@1}
weighers: [{type: pack}]
"""
HOSTS = [{"host": {"id": f"h{n}", "vcpus": 16, "memory_mib": 65536, "disk_gib": 500}} for n in range(2)]
SIZE = {"vcpus": 2, "memory_mib": 2048, "disk_gib": 10}
VMS = [{"at": n, "request": {"id": f"vm{n}", **SIZE}, "placed": f"h{n % 2}"} for n in range(4)]
PATH = "/v1/policies:simulate"


@pytest.fixture
def apart() -> Apart:
    return Apart()


@pytest.fixture
def scheduler(api: Api, apart: Apart) -> Iterator[PolicyShelf]:
    """What the scheduler does about these questions."""
    shelf = PolicyShelf(api.database)
    shelf.refresh()
    url, database = api.settings.redis_url, api.database
    answerers = [
        Answerer(url, SIMULATE, Simulator(database, shelf, apart).answer).start(),
        Answerer(url, TOPIC, Replayer(database).answer).start(),
        Answerer(url, WHAT_FITS, RoomCounter(database, shelf, apart).answer).start(),
    ]
    yield shelf
    apart.stop()
    for answerer in answerers:
        answerer.stop()
    with api.database.write() as db:
        for table in (StoredDecision, Activation, StoredPolicy, Host):
            db.execute(delete(table))


def lines(*objects: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, objects))


def placements(api: Api, shelf: PolicyShelf, count: int) -> None:
    """So many vms that were placed on the first of two hosts, a second after each other."""
    with api.database.write() as db:
        for name in ("one", "two"):
            add_host(db, name)
    with api.database.write() as db:
        hosts = load_inventory(db, 0.0).hosts
        for n in range(count):
            told = choose(a_request(id=new_id()), hosts, shelf.get(), 0)
            row = StoredDecision(
                id=new_id(),
                project_id=api.project_id,
                job_id=new_id(),
                vm_id=told.request.id,
                host_id=hosts[0].id,
                policy=told.policy,
                policy_sha=told.policy_sha,
                generation=0,
                explanation={**dump(told), "host": hosts[0].id},
                seen=seen.kept([hosts[0]]),
                created_at=time.time() - 60 + n,
            )
            db.add(row)


def test_both_sides_call_the_questions_the_same() -> None:
    assert (ASKED_SIMULATE, ASKED_WHAT_FITS, ASKED_REPLAY) == (SIMULATE, WHAT_FITS, TOPIC)


def test_a_trace_is_replayed_beside_the_policy_in_force(api: Api, scheduler: PolicyShelf) -> None:
    found = api.done("admin", "POST", PATH, {"text": PACK, "trace": lines(*HOSTS, *VMS), "picture": True})
    force, asked = found["outcomes"]
    assert (force["policy"], asked["policy"]) == ("balanced@1", "plain@1")
    assert (found["trace"], found["hosts"], found["vms"], asked["placed"], asked["refused"]) == ("sent", 2, 4, 4, 0)
    assert (asked["hosts_used"], asked["moved"], found["compared_with"]) == (1, 2, "recorded")
    assert [m["vm"] for m in found["moves"]] == ["vm1", "vm3"]
    (size,) = asked["sizes"]
    assert (size["vcpus"], size["asked"], size["moved"]) == (2, 4, 2)
    assert 0 < found["took_s"] < found["limit_s"]
    ET.fromstring(found["picture"])


def test_the_picture_alone_is_had_by_its_media_type(api: Api, scheduler: PolicyShelf) -> None:
    body = {"text": TIGHT, "trace": lines(*HOSTS, *VMS)}
    answer = api.ask("admin", "POST", PATH, body, {"Accept": "image/svg+xml"})
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert ET.fromstring(answer.text).tag.endswith("svg")


def test_what_is_recorded_is_replayed_on_the_hosts_there_are(api: Api, scheduler: PolicyShelf) -> None:
    placements(api, scheduler, 3)
    found = api.done("admin", "POST", PATH, {"policy": "energy-first", "decisions": 2})
    assert (found["trace"], found["vms"], found["hosts"]) == ("recorded", 2, 2)
    assert all(o["placed"] == 2 for o in found["outcomes"])
    assert found["picture"] == ""


def test_a_stored_version_is_named_by_its_hash(api: Api, scheduler: PolicyShelf) -> None:
    body = {"trace": lines(*HOSTS, *VMS)}
    sha = scheduler.get("licence-pool").sha256
    found = api.done("admin", "POST", PATH, {"policy": sha[:12], **body})
    assert (found["policy_sha"], found["outcomes"][1]["policy"]) == (sha, "licence-pool@1")


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"text": PACK.replace("pack", "astrology")}, "/text", "line 12, column 12: 'astrology' is unknown"),
        ({"text": PACK, "trace": "nonsense"}, "/trace", "line 1: no JSON"),
        ({"text": PACK, "trace": lines(HOSTS[0], {"request": {"id": "x"}})}, "/trace", "line 2: request/vcpus"),
        ({"text": PACK, "policy": "balanced"}, "/text", "only one of them"),
        ({"policy": "nobody"}, "/policy", "'nobody' is unknown"),
        ({"policy": "0" * 64}, "/policy", "is unknown"),
        ({"policy": "balanced", "days": 0}, "/days", "out of range"),
        ({"policy": "balanced", "decisions": 10_001}, "/decisions", "out of range"),
        ({}, "/text", "only one of them"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_place(
    api: Api, scheduler: PolicyShelf, body: dict[str, Any], pointer: str, says: str
) -> None:
    found = problem(api.ask("admin", "POST", PATH, body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer
    assert says in json.dumps(found, ensure_ascii=False)


def test_a_trace_of_too_many_is_refused(api: Api, scheduler: PolicyShelf) -> None:
    many = "\n".join(f'{{"request":{{"id":"v{n}","vcpus":1,"memory_mib":1,"disk_gib":1}}}}' for n in range(10_001))
    found = problem(api.ask("admin", "POST", PATH, {"text": PACK, "trace": many}), 422, "invalid")
    assert (found["errors"][0]["pointer"], "too many to wait for" in found["detail"]) == ("/trace", True)


def test_what_takes_too_long_is_ended_and_the_limit_is_told(api: Api, scheduler: PolicyShelf, apart: Apart) -> None:
    apart.seconds = 1.0
    endless = lines(*HOSTS, {"at": 1e300, "request": {"id": "x", **SIZE}})
    found = problem(api.ask("admin", "POST", PATH, {"text": PACK, "trace": endless}), 422, "invalid")
    assert "not done within 1 s" in found["detail"]


def test_who_ends_the_scheduler_waits_for_no_simulation() -> None:
    apart, told = Apart(), list[str]()

    def run() -> None:
        with pytest.raises(TryAgain) as ended:
            apart.run(Errand(trial=Trial((Written(PACK),), lines=lines({"at": 1e300, "request": {"id": "x", **SIZE}}))))
        told.append(ended.value.detail)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: apart.busy, 20, "the simulation to begin")
    apart.stop()
    thread.join(20)
    assert "was ended" in told[0]
    with pytest.raises(TryAgain, match="the scheduler ends"):
        apart.run(Errand())


def test_what_still_fits_is_told_for_each_flavor(api: Api, scheduler: PolicyShelf) -> None:
    with api.database.write() as db:
        add_host(db, "one", vcpus=8, memory_mib=65536, disk_gib=4000)
    flavors = {f["name"]: f for f in api.done("viewer", "GET", "/v1/flavors")["items"]}
    found = api.done("admin", "POST", "/v1/policies:what-fits", {"text": PACK})
    assert {f["flavor"] for f in found["flavors"]} == set(flavors)
    assert (found["policy"], found["hosts"]) == ("plain@1", 1)
    for fits in found["flavors"]:
        assert fits["count"] == 8 // flavors[fits["flavor"]]["vcpus"]
        assert fits["stopped_by"] == ["capacity"]
    nowhere = api.done("admin", "POST", "/v1/policies:what-fits", {"zone": "moon"})
    assert (nowhere["policy"], [f["count"] for f in nowhere["flavors"]]) == ("balanced@1", [0] * len(flavors))


@pytest.mark.parametrize(
    ("body", "pointer"), [({"policy": "nobody"}, "/policy"), ({"os": "beos"}, "/os"), ({"text": "x"}, "/text")]
)
def test_what_fits_of_what_is_not_there_is_refused(
    api: Api, scheduler: PolicyShelf, body: dict[str, Any], pointer: str
) -> None:
    found = problem(api.ask("admin", "POST", "/v1/policies:what-fits", body), 422, "invalid")
    assert found["errors"][0]["pointer"] == pointer


def test_a_decision_is_decided_again_for_admins(api: Api, scheduler: PolicyShelf) -> None:
    placements(api, scheduler, 1)
    (decision,) = api.done("admin", "GET", "/v1/decisions")["items"]
    path = f"/v1/decisions/{decision['id']}/replay"
    found = api.done("admin", "POST", path)
    assert (found["same"], found["differs"], found["policy"]) == (True, [], "balanced")
    assert "filter 'capacity'" in found["checked"]
    assert found["open"] == ["what other hosts were like: none of them is kept"]
    with api.database.write() as db:
        row = db.get_one(StoredDecision, decision["id"])
        row.seen = [{**row.seen[0], "used_vcpus": 16}]
    assert api.done("admin", "POST", path)["same"] is False
    with api.database.write() as db:
        db.get_one(StoredDecision, decision["id"]).policy_sha = "0" * 64
    assert api.done("admin", "POST", path)["same"] is None
    problem(api.ask("member", "POST", path), 403, "forbidden")


def test_without_a_scheduler_that_is_said(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 0.2)
    for path in (PATH, "/v1/policies:what-fits"):
        problem(api.ask("admin", "POST", path, {"text": PACK}), 503, "unavailable")
