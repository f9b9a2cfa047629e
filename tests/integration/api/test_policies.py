# SPDX-License-Identifier: Apache-2.0
"""Policies over HTTP: stored once they are read and found right, put in force, tried on a share, taken back."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from services.api.handlers.policies import TOPIC
from services.common.contracts.codec import dump
from services.common.contracts.ids import new_id
from services.common.runtime.ask import Answerer
from services.common.store.models import Activation, StoredDecision, StoredPolicy
from services.common.store.policies import activate
from services.scheduler.choose import choose
from services.scheduler.policy_questions import PolicyQuestions
from services.scheduler.policy_shelf import PolicyShelf
from tests.support.front_door import Api
from tests.support.hosts import add_host
from tests.support.placing import PLAIN, SHELF, a_host, a_request
from tests.support.problems import problem

GOOD = PLAIN.replace("WEIGHER", "cpu").lstrip()


@pytest.fixture
def scheduler(api: Api) -> Iterator[PolicyShelf]:
    """What the scheduler does about policies: it answers for texts and follows the pointer (here, when told to)."""
    shelf = PolicyShelf(api.database)
    shelf.refresh()
    answerer = Answerer(api.settings.redis_url, TOPIC, PolicyQuestions(api.database, shelf).answer).start()
    yield shelf
    answerer.stop()
    with api.database.write() as db:
        db.execute(delete(Activation))
        db.execute(delete(StoredPolicy))


def written(name: str, version: int = 1) -> dict[str, str]:
    return {"text": GOOD.replace("{name: plain, version: 1}", f"{{name: {name}, version: {version}}}")}


def pushed(api: Api, name: str, version: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = api.done("admin", "POST", "/v1/policies", written(name, version))
    return found


def test_a_policy_is_stored_once_and_found_again(api: Api, scheduler: PolicyShelf) -> None:
    answer = api.ask("admin", "POST", "/v1/policies", written("mine"))
    assert answer.status_code == 201, answer.text
    found = answer.json
    assert (found["name"], found["version"], found["active"], found["shipped"]) == ("mine", 1, False, False)
    assert found["created_by"] == api.ids["admin"]
    again = api.ask("admin", "POST", "/v1/policies", written("mine"))
    assert (again.status_code, again.json["id"]) == (200, found["id"])
    assert api.done("admin", "GET", answer.headers["Location"])["text"] == written("mine")["text"]
    names = [p["name"] for p in api.done("viewer", "GET", "/v1/policies")["items"]]
    assert {"balanced", "energy-first", "mine", "spread-ha"} <= set(names)


def test_what_is_wrong_is_told_with_line_and_column_and_nothing_is_stored(api: Api, scheduler: PolicyShelf) -> None:
    bad = {"text": written("bad")["text"].replace("type: cpu", "type: astrology")}
    found = problem(api.ask("admin", "POST", "/v1/policies", bad), 422, "invalid")
    assert found["errors"][0]["pointer"] == "/text"
    assert "/weighers/0/type: line 12, column 12: 'astrology' is unknown" in found["errors"][0]["detail"]
    told = api.done("admin", "POST", "/v1/policies:validate", bad)
    assert told["valid"] is False
    error = told["errors"][0]
    assert (error["pointer"], error["line"], error["column"]) == ("/weighers/0/type", 12, 12)
    assert error["fix"].startswith("use one of: ")
    assert not [p for p in api.done("admin", "GET", "/v1/policies")["items"] if p["name"] == "bad"]


def test_a_good_text_is_told_to_be_one(api: Api, scheduler: PolicyShelf) -> None:
    told = api.done("admin", "POST", "/v1/policies:validate", written("mine", 7))
    assert (told["valid"], told["name"], told["version"], told["errors"]) == (True, "mine", 7, [])
    with api.database.write() as session:
        add_host(session)
    doubtful = {"text": written("mine", 7)["text"] + "capacity: {classes: [{trait: unheard-of}]}\n"}
    told = api.done("admin", "POST", "/v1/policies:validate", doubtful)
    assert "no host has the trait 'unheard-of' of a class in capacity" in told["warnings"]
    text = written("mine", 7)["text"]
    lines = len(text.splitlines())
    told = api.done("admin", "POST", "/v1/policies:validate", {"text": text + "match: {projects: [nowhere]}\n"})
    assert f"line {lines + 1}: there is no project 'nowhere'" in told["warnings"]


def test_without_a_scheduler_nothing_is_stored_and_that_is_said(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 0.2)
    problem(api.ask("admin", "POST", "/v1/policies", written("mine")), 503, "unavailable")


def test_versions_never_change_and_shipped_names_are_taken(api: Api, scheduler: PolicyShelf) -> None:
    pushed(api, "mine")
    other = {"text": written("mine")["text"] + "explain: {top: 3}\n"}
    found = problem(api.ask("admin", "POST", "/v1/policies", other), 409, "conflict")
    assert found["errors"][0]["fix"] == "write metadata.version: 2"
    problem(api.ask("admin", "POST", "/v1/policies", written("balanced", 99)), 409, "conflict")


def test_a_version_is_put_in_force_and_taken_back(api: Api, scheduler: PolicyShelf) -> None:
    mine = pushed(api, "mine")
    moved = api.done("admin", "POST", f"/v1/policies/{mine['id']}/activate")
    assert (moved["kind"], moved["policy"], moved["canary"]) == ("activate", "mine", "")
    scheduler.refresh()
    assert scheduler.get().name == "mine"
    assert api.done("viewer", "GET", f"/v1/policies/{mine['id']}")["active"] is True
    back = api.done("admin", "POST", "/v1/policies:rollback")
    assert (back["kind"], back["policy"]) == ("rollback", "balanced")
    scheduler.refresh()
    assert scheduler.get().name == "balanced"
    history = api.done("viewer", "GET", "/v1/policies:history")["items"]
    assert [m["kind"] for m in history] == ["rollback", "activate", "start"]
    problem(api.ask("admin", "POST", "/v1/policies:rollback"), 409, "illegal-state")


def test_a_canary_has_its_share_until_it_is_promoted(api: Api, scheduler: PolicyShelf) -> None:
    mine = pushed(api, "mine")
    path = f"/v1/policies/{mine['id']}/activate"
    moved = api.done("admin", "POST", path, {"canary_percent": 12.5})
    assert (moved["policy"], moved["canary"], moved["canary_percent"]) == ("balanced", "mine", 12.5)
    shown = api.done("viewer", "GET", f"/v1/policies/{mine['id']}")
    assert (shown["active"], shown["canary_percent"]) == (False, 12.5)
    problem(api.ask("admin", "POST", path, {"canary_percent": 12.5}), 409, "conflict")
    assert api.done("admin", "POST", path)["policy"] == "mine"


@pytest.mark.parametrize("percent", [0, -1, 100.5, "many"])
def test_a_share_that_is_none_is_refused(api: Api, scheduler: PolicyShelf, percent: Any) -> None:
    mine = pushed(api, "mine")
    answer = api.ask("admin", "POST", f"/v1/policies/{mine['id']}/activate", {"canary_percent": percent})
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/canary_percent"


def test_a_dry_run_moves_nothing(api: Api, scheduler: PolicyShelf) -> None:
    mine = pushed(api, "mine")
    assert api.done("admin", "POST", f"/v1/policies/{mine['id']}/activate?dry_run=true")["dry_run"] is True
    assert len(api.done("admin", "GET", "/v1/policies:history")["items"]) == 1


def test_only_admins_read_texts(api: Api, scheduler: PolicyShelf) -> None:
    mine = pushed(api, "mine")
    assert api.done("member", "GET", f"/v1/policies/{mine['id']}")["text"] is None


def test_a_version_that_cannot_be_used_any_more_is_not_put_in_force(api: Api, scheduler: PolicyShelf) -> None:
    mine = pushed(api, "mine")
    with api.database.write() as db:
        db.get_one(StoredPolicy, mine["id"]).text = "kind: Sandwich\n"
    found = problem(api.ask("admin", "POST", f"/v1/policies/{mine['id']}/activate"), 422, "invalid")
    assert "'Sandwich' is unknown" in found["detail"]
    with api.database.write() as db:  # as somebody would who goes around the API
        activate(db, db.get_one(StoredPolicy, mine["id"]), 100, "", 1.0)
    scheduler.refresh()
    assert scheduler.get().name == "balanced"
    assert "'Sandwich' is unknown" in api.done("viewer", "GET", "/v1/policies:history")["items"][0]["problem"]


def test_policies_for_some_vms_stand_beside_the_one_for_all_others(api: Api, scheduler: PolicyShelf) -> None:
    ids = {}
    for name, match in (
        ("lab", "{labels: {tier: [lab]}}"),
        ("lab2", "{labels: {tier: [lab]}}"),
        ("win", "{labels: {tier: [win]}}"),
    ):
        text = written(name)["text"] + f"match: {match}\n"
        ids[name] = api.done("admin", "POST", "/v1/policies", {"text": text})["id"]
    for name in ("lab", "win"):
        moved = api.done("admin", "POST", f"/v1/policies/{ids[name]}/activate")
    assert (moved["policy"], moved["beside"]) == ("balanced", ["lab@1", "win@1"])
    answer = api.ask("admin", "POST", f"/v1/policies/{ids['lab2']}/activate")
    assert "'lab2' and 'lab' are for the same requests" in problem(answer, 422, "invalid")["detail"]
    scheduler.refresh()
    labels = ({"tier": "lab"}, {"tier": "win"}, {"tier": "prod"})
    assert [scheduler.chosen(a_request(labels=some)).name for some in labels] == ["lab", "win", "balanced"]
    assert api.done("admin", "POST", f"/v1/policies/{ids['lab']}/deactivate")["beside"] == ["win@1"]
    assert api.done("admin", "POST", "/v1/policies:rollback")["beside"] == ["lab@1", "win@1"]
    active = [p["name"] for p in api.done("admin", "GET", "/v1/policies")["items"] if p["active"]]
    assert active == ["balanced", "lab", "win"]


def test_who_decides_for_everybody_else_can_only_be_replaced(api: Api, scheduler: PolicyShelf) -> None:
    (balanced,) = [p for p in api.done("admin", "GET", "/v1/policies?name=balanced")["items"] if p["active"]]
    path = f"/v1/policies/{balanced['id']}/deactivate"
    problem(api.ask("admin", "POST", path), 409, "illegal-state")


def test_a_policy_may_extend_a_stored_version(api: Api, scheduler: PolicyShelf) -> None:
    pushed(api, "mine")
    child = """apiVersion: scheduler/v1
kind: PlacementPolicy
metadata: {name: child, version: 1, extends: mine@1}
explain: {top: 7}
"""
    found = api.done("admin", "POST", "/v1/policies", {"text": child})
    api.done("admin", "POST", f"/v1/policies/{found['id']}/activate")
    scheduler.refresh()
    assert (scheduler.get().name, scheduler.get().top) == ("child", 7)
    orphan = child.replace("mine@1", "mine@9").replace("child", "orphan")
    problem(api.ask("admin", "POST", "/v1/policies", {"text": orphan}), 422, "invalid")


def stored_decision(api: Api, hosts: int = 2) -> str:
    """A decision about hosts with telling names; its id."""
    found = choose(a_request(vcpus=8), [a_host(f"cellar-{n}", vcpus=4 + 8 * n) for n in range(hosts)], SHELF.get(), 7)
    row = StoredDecision(
        id=new_id(),
        project_id=api.project_id,
        job_id=new_id(),
        vm_id="vm-1",
        host_id=found.host,
        policy=found.policy,
        policy_sha=found.policy_sha,
        generation=7,
        explanation=dump(found),
        created_at=1.0,
    )
    with api.database.write() as db:
        db.add(row)
    return row.id


def test_a_decision_is_told_whole_to_admins_and_masked_to_members(api: Api) -> None:
    path = f"/v1/decisions/{stored_decision(api)}"
    told = api.done("admin", "GET", path)
    assert (told["host"], told["explanation"]["misses"][0]["reason"].split()[0]) == ("id-cellar-1", "cellar-0")
    masked = api.ask("member", "GET", path)
    assert "cellar" not in masked.text
    explanation = masked.json["explanation"]
    assert explanation["candidates"][0]["host"] == masked.json["host"] == explanation["host"]
    assert explanation["candidates"][0]["score"] == sum(explanation["candidates"][0]["terms"].values())
    assert explanation["misses"][0]["reason"].partition(" ")[2].startswith("lacks ")


def test_decisions_are_found_by_vm_and_stay_in_their_project(api: Api) -> None:
    decision = stored_decision(api)
    listed = api.done("member", "GET", "/v1/decisions?vm=vm-1&limit=1000")["items"]
    assert decision in [d["id"] for d in listed]
    assert all(d["explanation"] is None for d in listed)
    api.project("elsewhere", stranger="member")
    answer = api.ask("stranger", "GET", f"/v1/decisions/{decision}", headers={"X-Project": "elsewhere"})
    problem(answer, 404, "not-found")
