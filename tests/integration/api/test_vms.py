# SPDX-License-Identifier: Apache-2.0
"""Vms over HTTP: dry runs, keys, ETags, protection, verbs out of turn, and other people's vms."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from sqlalchemy import insert, update

from services.api.handlers.project_events import PAGE
from services.common.contracts.ids import new_id
from services.common.runtime.ask import Answerer
from services.common.store.models import Job, JobEvent, Vm
from services.scheduler.explain import TOPIC, Explainer
from services.scheduler.lookout import Lookout
from services.scheduler.policy_file import Shelf
from tests.support.front_door import Api
from tests.support.problems import counts, problem

VERBS = ("start", "stop", "force-stop", "reboot", "reset", "suspend", "resume")


def spec(**more: Any) -> dict[str, Any]:
    return {"name": f"vm-{new_id()[-12:]}", "os": "mini", "flavor": "tiny", **more}


def made(api: Api, user: str = "member", **more: Any) -> dict[str, Any]:
    """{"vm", "job"} of a new vm."""
    found: dict[str, Any] = api.done(user, "POST", "/v1/vms", spec(**more))
    return found


def settled(api: Api, vm_id: str, state: str) -> None:
    """Let the vm's job be over, as the engine would."""
    with api.database.write() as db:
        db.execute(update(Job).where(Job.vm_id == vm_id).values(state="succeeded"))
        db.execute(update(Vm).where(Vm.id == vm_id).values(state=state, job_id=None))


def test_the_least_that_works_answers_202_with_the_vm_and_its_job(api: Api) -> None:
    answer = api.ask("member", "POST", "/v1/vms", spec(networks=[{"network": "default"}]))
    assert answer.status_code == 202
    found = answer.json
    assert found is not None
    assert answer.headers["Location"] == f"/v1/jobs/{found['job']['id']}"
    assert found["vm"]["state"] == "provisioning"
    assert found["vm"]["job"] == found["job"]["id"]
    assert [s["name"] for s in found["job"]["steps"]] == ["place", "build", "deploy", "start", "boot", "verify"]
    # What is answered at once is what is read afterwards.
    assert api.done("member", "GET", f"/v1/vms/{found['vm']['id']}") == found["vm"]
    again = api.done("member", "GET", f"/v1/jobs/{found['job']['id']}")
    assert {k: v for k, v in again.items() if k != "etag"} == found["job"]


def test_a_deletion_s_steps_are_its_own_and_take_nothing_back(api: Api) -> None:
    vm = made(api)["vm"]
    settled(api, vm["id"], "ready")
    steps = api.done("member", "DELETE", f"/v1/vms/{vm['id']}")["job"]["steps"]
    assert [(s["name"], s["undo"]) for s in steps] == [("erase", False), ("discard", False), ("release", False)]


def test_secrets_go_in_and_never_come_out(api: Api) -> None:
    secret = "s3cret-and-long"
    user = {"name": "ann", "password": secret}
    found = made(api, os="debian-12", flavor="small", users=[user], first_boot=f"#!/bin/sh\necho {secret}\n")
    shown = api.ask("member", "GET", f"/v1/vms/{found['vm']['id']}").text
    assert secret not in shown + str(found)
    with api.database.read() as db:
        row = db.get_one(Vm, found["vm"]["id"])
        assert secret not in row.secrets + str(row.spec)
        assert secret in api.keys.unseal(row.secrets)
        assert "$6$" in api.keys.unseal(row.secrets)


def test_a_dry_run_leaves_no_trace(api: Api) -> None:
    before = counts(api)
    key = {"Idempotency-Key": str(uuid4())}
    body = spec(networks=[{"network": "lab", "addresses": ["10.78.0.60/24"]}])
    answer = api.ask("member", "POST", "/v1/vms?dry_run=true", body, key)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["dry_run"] is True
    assert answer.json["vm"]["nics"][0]["addresses"] == ["10.78.0.60/24"]
    assert "Location" not in answer.headers
    assert counts(api) == before
    answer = api.ask("member", "POST", "/v1/vms", body, key)  # the key was not used up by the dry run
    assert answer.status_code == 202


def test_a_dry_run_shows_what_the_vms_own_policy_would_choose(api: Api) -> None:
    explainer = Explainer(Lookout(api.database), Shelf())
    answerer = Answerer(api.settings.redis_url, TOPIC, explainer.answer).start()
    try:
        found = api.done("admin", "POST", "/v1/vms?dry_run=true", spec(policy="spread-ha"))
        volumes = [{"size_gib": 3}, {"size_gib": 5, "datastore": "fast"}, {"size_gib": 2, "datastore": "fast"}]
        told = api.done(
            "member", "POST", "/v1/placements:explain", {"os": "mini", "flavor": "tiny", "volumes": volumes}
        )
    finally:
        answerer.stop()
    assert found["placement"]["policy"] == "spread-ha"
    assert (told["host"], told["request"]["disk_gib"], told["request"]["datastores"]) == ("", 1 + 3, [["fast", 7]])


def test_a_dry_run_of_a_delete_changes_nothing(api: Api) -> None:
    vm = made(api)["vm"]
    before = counts(api)
    assert api.ask("member", "DELETE", f"/v1/vms/{vm['id']}?dry_run=true").status_code == 200
    assert counts(api) == before
    assert api.done("member", "GET", f"/v1/vms/{vm['id']}") == vm


def test_the_same_key_gives_the_same_answer_and_makes_one_vm(api: Api) -> None:
    body, key = spec(), {"Idempotency-Key": str(uuid4())}
    first = api.ask("member", "POST", "/v1/vms", body, key)
    before = counts(api)
    second = api.ask("member", "POST", "/v1/vms", body, key)
    assert (first.status_code, first.json) == (second.status_code, second.json)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert counts(api) == before


def test_a_key_with_another_body_is_refused_and_keys_of_different_people_do_not_meet(api: Api) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    api.done("member", "POST", "/v1/vms", spec(), headers=key)
    found = problem(api.ask("member", "POST", "/v1/vms", spec(), key), 422, "invalid")
    assert found["errors"][0]["pointer"] == "header:Idempotency-Key"
    api.done("operator", "POST", "/v1/vms", spec(), headers=key)


def test_a_refusal_does_not_use_the_key_up(api: Api) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    problem(api.ask("member", "POST", "/v1/vms", {**spec(), "os": "nothing"}, key), 422, "invalid")
    assert api.ask("member", "POST", "/v1/vms", spec(), key).status_code == 202


def test_a_key_is_not_too_long(api: Api) -> None:
    problem(api.ask("member", "POST", "/v1/vms", spec(), {"Idempotency-Key": "k" * 256}), 400, "malformed")


def test_a_change_needs_the_etag_and_an_old_one_is_refused(api: Api) -> None:
    vm = made(api)["vm"]
    path = f"/v1/vms/{vm['id']}"
    problem(api.ask("member", "PATCH", path, {"labels": {"a": "1"}}), 428, "if-match-required")
    tag = api.ask("member", "GET", path).headers["ETag"]
    changed = api.ask("member", "PATCH", path, {"labels": {"a": "1"}}, {"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    problem(api.ask("member", "PATCH", path, {"labels": {}}, {"If-Match": tag}), 412, "changed-meanwhile")
    problem(api.ask("member", "DELETE", path, None, {"If-Match": tag}), 412, "changed-meanwhile")
    unchanged = api.ask("member", "GET", path, None, {"If-None-Match": changed.headers["ETag"]})
    assert (unchanged.status_code, unchanged.text) == (304, "")


def test_a_protected_vm_is_not_deleted_until_it_is_released(api: Api) -> None:
    vm = made(api, protect=True)["vm"]
    path = f"/v1/vms/{vm['id']}"
    found = problem(api.ask("member", "DELETE", path), 409, "conflict")
    assert "PATCH protect to false" in found["detail"]
    tag = api.ask("member", "GET", path).headers["ETag"]
    api.done("member", "PATCH", path, {"protect": False}, headers={"If-Match": tag})
    assert api.ask("member", "DELETE", path).status_code == 202


def test_a_delete_during_a_create_wins_and_a_second_delete_is_the_first_one(api: Api) -> None:
    found = made(api)
    path = f"/v1/vms/{found['vm']['id']}"
    first = api.done("member", "DELETE", path)
    assert first["vm"]["state"] == "deleting"
    assert api.done("member", "GET", f"/v1/jobs/{found['job']['id']}")["state"] == "cancelled"
    second = api.done("member", "DELETE", path)
    assert second["job"]["id"] == first["job"]["id"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_busy_vm_takes_no_second_job(api: Api, verb: str) -> None:
    vm = made(api)["vm"]
    found = problem(api.ask("member", "POST", f"/v1/vms/{vm['id']}/{verb}"), 409, "conflict")
    assert vm["job"] in found["detail"]


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        *[("stopped", verb) for verb in ("stop", "reboot", "reset", "suspend", "resume")],
        *[("suspended", verb) for verb in ("suspend", "reboot", "reset")],
        *[("ready", "start"), ("ready", "resume"), ("failed", "start"), ("missing", "suspend")],
    ],
)
def test_a_verb_out_of_turn_is_refused(api: Api, state: str, verb: str) -> None:
    vm = made(api)["vm"]
    settled(api, vm["id"], state)
    before = counts(api)
    problem(api.ask("member", "POST", f"/v1/vms/{vm['id']}/{verb}"), 409, "illegal-state")
    assert counts(api) == before


@pytest.mark.parametrize(
    ("state", "verb", "kind"),
    [
        *[("stopped", "start", "vm.start"), ("ready", "stop", "vm.stop"), ("ready", "reset", "vm.reset")],
        *[("ready", "suspend", "vm.suspend"), ("suspended", "resume", "vm.resume"), ("suspended", "stop", "vm.stop")],
        *[("suspended", "start", "vm.resume"), ("suspended", "force-stop", "vm.force-stop")],
    ],
)
def test_a_verb_in_its_turn_is_a_job(api: Api, state: str, verb: str, kind: str) -> None:
    vm = made(api)["vm"]
    settled(api, vm["id"], state)
    assert api.done("member", "POST", f"/v1/vms/{vm['id']}/{verb}")["job"]["kind"] == kind


def test_a_job_is_cancelled_once_and_an_ended_one_not_at_all(api: Api) -> None:
    found = made(api)
    path = f"/v1/jobs/{found['job']['id']}"
    assert api.ask("member", "POST", f"{path}/cancel").status_code == 202
    settled(api, found["vm"]["id"], "ready")
    for verb in ("cancel", "retry", "rollback"):
        problem(api.ask("member", "POST", f"{path}/{verb}"), 409, "illegal-state")


def test_another_project_s_objects_are_not_there(api: Api) -> None:
    there = api.project(stranger="member")
    found = made(api)
    paths = [f"/v1/vms/{found['vm']['id']}", f"/v1/jobs/{found['job']['id']}", f"/v1/jobs/{found['job']['id']}/events"]
    for path in paths:
        problem(api.ask("stranger", "GET", path), 404, "not-found")
        problem(api.ask("admin", "GET", path, None, {"X-Project": there["name"]}), 404, "not-found")
    problem(api.ask("stranger", "DELETE", paths[0]), 404, "not-found")
    problem(api.ask("stranger", "POST", f"{paths[1]}/cancel"), 404, "not-found")
    problem(api.ask("stranger", "GET", "/v1/vms", None, {"X-Project": "default"}), 404, "not-found")
    assert api.done("stranger", "GET", "/v1/vms")["items"] == []


def test_a_quota_holds_and_says_which_figure(api: Api) -> None:
    place = api.project(member="member")
    with_etag = api.ask("admin", "GET", f"/v1/projects/{place['id']}").headers["ETag"]
    quotas = {"quotas": {"vms": 1}}
    api.done("admin", "PATCH", f"/v1/projects/{place['id']}", quotas, headers={"If-Match": with_etag})
    here = {"X-Project": place["name"]}
    api.done("member", "POST", "/v1/vms", spec(), headers=here)
    found = problem(api.ask("member", "POST", "/v1/vms", spec(), here), 409, "quota-exceeded")
    assert "quota vms: 1 of 1 are used" in found["detail"]


def test_pages_are_stable_while_vms_are_made(api: Api) -> None:
    place = api.project(member="member")
    here = {"X-Project": place["name"]}
    ids = [api.done("member", "POST", "/v1/vms", spec(), headers=here)["vm"]["id"] for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = api.done("member", "GET", f"/v1/vms?limit=2&fields=id{cursor}", headers=here)
        seen += [item["id"] for item in page["items"]]
        api.done("member", "POST", "/v1/vms", spec(), headers=here)
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == list(reversed(ids))


def test_a_stream_gets_past_a_moment_with_more_events_than_a_page(api: Api) -> None:
    place = api.project(member="member")
    here = {"X-Project": place["name"]}
    job = api.done("member", "POST", "/v1/vms", spec(), headers=here)["job"]["id"]
    crowd = PAGE + 100
    with api.database.write() as db:
        told = {
            "job_id": job,
            "project_id": place["id"],
            "kind": "step.progress",
            "step": "build",
            "text": "",
            "data": {},
        }
        db.execute(insert(JobEvent), [{**told, "seq": n + 2, "at": 1000.0 + n / 1000} for n in range(crowd)])
    last = {"Accept": "text/event-stream", "Last-Event-ID": "999.0/x/0", **here}
    frames = api.ask("member", "GET", "/v1/events", headers=last).iter_encoded()
    ids = (frame.split(b"\n", 1)[0] for frame in frames if frame.startswith(b"id: "))
    assert len({next(ids) for _ in range(crowd)}) == crowd


def test_a_list_can_be_filtered_sorted_and_cut(api: Api) -> None:
    label = new_id()
    names = sorted(made(api, labels={"group": label})["vm"]["name"] for _ in range(3))
    page = api.done("member", "GET", f"/v1/vms?label=group={label}&sort=name&fields=name")
    assert page["items"] == [{"name": name} for name in names]
    assert api.done("member", "GET", f"/v1/vms?name={names[0]}&fields=name")["items"] == [{"name": names[0]}]


@pytest.mark.parametrize("label", ["a.b=c", "a=b=c", "a=", "a='b\"c"])
def test_a_label_filter_takes_any_value(api: Api, label: str) -> None:
    made(api, labels={"a": "1"})
    assert api.done("member", "GET", f"/v1/vms?{urlencode({'label': label})}")["items"] == []


@pytest.mark.parametrize("label", ["nothing", "=", 'a"b=c', "$.x=1", "[0]=1", "a'b=c", "\\=1"])
def test_a_label_filter_needs_a_key_that_labels_can_have(api: Api, label: str) -> None:
    made(api, labels={"a": "1"})
    found = problem(api.ask("member", "GET", f"/v1/vms?{urlencode({'label': label})}"), 422, "invalid")
    assert found["errors"][0]["pointer"] == "?label"


def test_a_label_with_dots_and_slashes_is_found(api: Api) -> None:
    word = new_id()
    vm = made(api, labels={"example.org/group:a": word})["vm"]
    found = api.done("member", "GET", f"/v1/vms?{urlencode({'label': f'example.org/group:a={word}'})}&fields=id")
    assert found["items"] == [{"id": vm["id"]}]
