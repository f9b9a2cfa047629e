# SPDX-License-Identifier: Apache-2.0
"""Users, projects and members: who may do what, what is refused and why, and what never comes out."""

from typing import Any

import pytest

from services.common.contracts.ids import new_id
from services.common.store.models import Media, Vm
from tests.support.front_door import PASSWORD, Api

NEW = "a new password of mine"
GONE = "01900000-0000-7000-8000-000000000000"


def match(thing: dict[str, Any]) -> dict[str, str]:
    return {"If-Match": f'"{thing["etag"]}"'}


# Who gets what: {user}, {other} and {project} are the asker's own id, another user's, and a project of nobody.
ROLES = [
    ("admin", "GET", "/v1/users", 200),
    ("operator", "GET", "/v1/users", 403),
    ("viewer", "GET", "/v1/users", 403),
    ("operator", "POST", "/v1/users", 403),
    ("member", "GET", "/v1/users/{user}", 200),
    ("member", "GET", "/v1/users/{other}", 404),
    ("admin", "GET", "/v1/users/{other}", 200),
    ("member", "PATCH", "/v1/users/{other}", 404),
    ("member", "DELETE", "/v1/users/{user}", 403),
    ("stranger", "GET", "/v1/projects", 200),
    ("operator", "POST", "/v1/projects", 403),
    ("viewer", "GET", "/v1/projects/{default}", 200),
    ("viewer", "GET", "/v1/projects/{default}/members", 200),
    ("stranger", "GET", "/v1/projects/{default}", 404),
    ("stranger", "GET", "/v1/projects/{default}/members", 404),
    ("operator", "GET", "/v1/projects/{project}", 404),
    ("operator", "GET", "/v1/projects/{project}/members", 404),
    ("admin", "GET", "/v1/projects/{project}", 200),
    ("operator", "PATCH", "/v1/projects/{default}", 403),
    ("operator", "DELETE", "/v1/projects/{default}", 403),
    ("operator", "PUT", "/v1/projects/{default}/members/{user}", 403),
    ("operator", "DELETE", "/v1/projects/{default}/members/{other}", 403),
    ("admin", "GET", f"/v1/users/{GONE}", 404),
    ("admin", "GET", f"/v1/projects/{GONE}", 404),
    ("admin", "GET", f"/v1/projects/{GONE}/members", 404),
    ("admin", "GET", "/v1/users/not-an-id", 404),
]


@pytest.mark.parametrize("who, method, path, status", ROLES)
def test_roles(api: Api, who: str, method: str, path: str, status: int) -> None:
    nobodys = api.project()["id"]
    ids = {"user": api.ids[who], "other": api.ids["stranger"], "default": api.project_id, "project": nobodys}
    answer = api.ask(who, method, path.format(**ids), {} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status_code == status, answer.text


def test_a_user_is_made_shown_and_deleted_and_no_password_comes_out(api: Api) -> None:
    made = api.ask("admin", "POST", "/v1/users", {"username": "ada.l", "password": PASSWORD})
    assert made.status_code == 201
    user: dict[str, Any] = made.json
    assert made.headers["Location"] == f"/v1/users/{user['id']}"
    assert (user["admin"], user["disabled"], user["role"], user["projects"]) == (False, False, "", [])
    shown = api.ask("admin", "GET", f"/v1/users/{user['id']}")
    assert shown.headers["ETag"] == f'"{user["etag"]}"'
    for text in (made.text, shown.text, api.ask("admin", "GET", "/v1/users").text):
        assert PASSWORD not in text
        assert "password" not in text
        assert "argon2" not in text
    assert api.ask("ada.l", "GET", "/v1/me").status_code == 200
    assert api.ask("admin", "DELETE", f"/v1/users/{user['id']}", headers=match(user)).status_code == 204
    assert api.ask("admin", "GET", f"/v1/users/{user['id']}").status_code == 404
    assert api.ask("ada.l", "GET", "/v1/me").status_code == 401


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"password": PASSWORD}, "/username"),
        ({"username": "x"}, "/password"),
        ({"username": "has space", "password": PASSWORD}, "/username"),
        ({"username": "a/../b", "password": PASSWORD}, "/username"),
        ({"username": "x" * 200, "password": PASSWORD}, "/username"),
        ({"username": "x", "password": "short"}, "/password"),
        ({"username": "x", "password": "line\nbreak-in-it"}, "/password"),
        ({"username": "x", "password": PASSWORD, "admin": "yes"}, "/admin"),
        ({"username": "x", "password": PASSWORD, "is_admin": True}, "/is_admin"),
        ({"username": "x", "password": PASSWORD, "id": GONE}, "/id"),
    ],
)
def test_a_bad_user_is_refused_by_field(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api.ask("admin", "POST", "/v1/users", body)
    assert answer.status_code == 422
    assert [problem["pointer"] for problem in answer.json["errors"]] == [pointer]
    assert answer.json["errors"][0]["fix"]
    assert PASSWORD not in answer.text


def test_names_of_users_are_taken_whatever_their_case(api: Api) -> None:
    name = f"Case-{new_id()}"
    api.user(name)
    answer = api.ask("admin", "POST", "/v1/users", {"username": name.upper(), "password": PASSWORD})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/username")


def test_a_dry_run_makes_no_user(api: Api) -> None:
    answer = api.ask("admin", "POST", "/v1/users?dry_run=true", {"username": "never", "password": PASSWORD})
    assert (answer.status_code, answer.json["dry_run"]) == (200, True)
    assert api.done("admin", "GET", "/v1/users?username=never")["items"] == []


def test_one_key_makes_one_user(api: Api) -> None:
    body, key = {"username": f"once-{new_id()}", "password": PASSWORD}, {"Idempotency-Key": new_id()}
    first, second = (api.ask("admin", "POST", "/v1/users", body, key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    other = api.ask("admin", "POST", "/v1/users", {**body, "password": NEW}, key)
    assert other.status_code == 422


def test_users_are_listed_page_by_page(api: Api) -> None:
    names = sorted(api.user(f"page-{new_id()}")["username"] for _ in range(5))
    seen: list[str] = []
    path = "/v1/users?limit=2"
    while path:
        page = api.done("admin", "GET", path)
        seen += [item["username"] for item in page["items"]]
        path = f"/v1/users?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == sorted(seen)
    assert [name for name in seen if name in names] == names


def test_changing_and_deleting_users_asks_for_what_was_seen(api: Api) -> None:
    user = api.user()
    path = f"/v1/users/{user['id']}"
    assert api.ask("admin", "PATCH", path, {"disabled": True}).status_code == 428
    assert api.ask("admin", "DELETE", path).status_code == 428
    changed = api.done("admin", "PATCH", path, {"username": f"new-{new_id()}"}, headers=match(user))
    late = api.ask("admin", "PATCH", path, {"admin": True}, headers=match(user))
    assert (late.status_code, late.json["code"]) == (412, "changed-meanwhile")
    assert api.ask("admin", "DELETE", path, headers=match(changed)).status_code == 204


@pytest.mark.parametrize("change", [{"disabled": True}, {"password": NEW}])
def test_disabling_and_a_new_password_end_every_session_at_once(api: Api, change: dict[str, Any]) -> None:
    user = api.user()
    tokens = api.sign_in(user["username"])
    api.done("admin", "PATCH", f"/v1/users/{user['id']}", change, headers=match(user))
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert api.ask("", "GET", "/v1/me", headers=bearer).status_code == 401
    answer = api.ask("", "POST", "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 401
    old = api.ask("", "POST", "/v1/auth/token", {"username": user["username"], "password": PASSWORD})
    assert old.status_code == 401
    if "password" in change:
        assert api.sign_in(user["username"], NEW)


def test_users_change_their_own_password_with_the_present_one(api: Api) -> None:
    user = api.user()
    name, path = user["username"], f"/v1/users/{user['id']}"
    for body, pointer in (
        ({"password": NEW}, "/current_password"),
        ({"password": NEW, "current_password": "wrong"}, "/current_password"),
        ({"password": "short", "current_password": PASSWORD}, "/password"),
    ):
        refused = api.ask(name, "PATCH", path, body)
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, pointer)
    api.done(name, "PATCH", path, {"password": NEW, "current_password": PASSWORD})
    assert api.ask(name, "GET", "/v1/me").status_code == 401
    assert api.sign_in(name, NEW)


@pytest.mark.parametrize("change", [{"admin": True}, {"disabled": False}, {"username": "root"}])
def test_users_do_not_promote_themselves(api: Api, change: dict[str, Any]) -> None:
    answer = api.ask("member", "PATCH", f"/v1/users/{api.ids['member']}", change, headers={"If-Match": "*"})
    assert answer.status_code == 403
    assert api.done("member", "GET", "/v1/me")["admin"] is False


def test_the_last_admin_stays(api: Api) -> None:
    path, anyhow = f"/v1/users/{api.ids['admin']}", {"If-Match": "*"}
    assert api.ask("admin", "PATCH", path, {"admin": False}, anyhow).status_code == 409
    assert api.ask("admin", "PATCH", path, {"disabled": True}, anyhow).status_code == 409
    assert api.ask("admin", "DELETE", path, headers=anyhow).status_code == 409
    second = api.user(admin=True)
    api.done("admin", "PATCH", f"/v1/users/{second['id']}", {"admin": False}, headers=match(second))
    assert api.done("admin", "GET", f"/v1/users/{second['id']}")["role"] == ""


def test_a_project_is_made_changed_and_deleted(api: Api) -> None:
    name = f"lab-{new_id()}"
    body = {"name": name, "description": "racks 1 to 3", "quotas": {"vms": 5, "vcpus": 8}}
    made = api.ask("admin", "POST", "/v1/projects", body)
    project: dict[str, Any] = made.json
    assert (made.status_code, made.headers["Location"]) == (201, f"/v1/projects/{project['id']}")
    assert project["quotas"] == {"vms": 5, "vcpus": 8}
    path = f"/v1/projects/{project['id']}"
    assert api.ask("admin", "PATCH", path, {"quotas": {"vms": 6}}).status_code == 428
    quotas = {"vms": None, "vcpus": 9, "disk_gib": 100}
    changed = api.done("admin", "PATCH", path, {"quotas": quotas}, headers=match(project))
    assert changed["quotas"] == {"vcpus": 9, "disk_gib": 100}
    assert (changed["name"], changed["description"]) == (name, "racks 1 to 3")
    assert api.ask("admin", "DELETE", path, headers=match(project)).status_code == 412
    assert api.ask("admin", "DELETE", path, headers=match(changed)).status_code == 204
    assert api.ask("admin", "GET", path).status_code == 404


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a b"}, "/name"),
        ({"name": "p", "quotas": {"vms": -1}}, "/quotas/vms"),
        ({"name": "p", "quotas": {"vms": 1.5}}, "/quotas/vms"),
        ({"name": "p", "quotas": {"gpus": 1}}, "/quotas/gpus"),
        ({"name": "p", "quotas": [1]}, "/quotas"),
        ({"name": "p", "owner": "me"}, "/owner"),
    ],
)
def test_a_bad_project_is_refused_by_field(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api.ask("admin", "POST", "/v1/projects", body)
    assert answer.status_code == 422
    assert [problem["pointer"] for problem in answer.json["errors"]] == [pointer]


def test_a_name_of_a_project_is_given_once(api: Api) -> None:
    answer = api.ask("admin", "POST", "/v1/projects", {"name": "default"})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (409, "/name")


def test_people_see_their_projects_and_admins_all(api: Api) -> None:
    mine, other = api.project(member="viewer"), api.project()
    seen = {item["id"]: item["role"] for item in api.done("member", "GET", "/v1/projects?limit=1000")["items"]}
    assert (seen.get(mine["id"]), seen.get(api.project_id)) == ("viewer", "member")
    assert other["id"] not in seen
    everything = {item["id"]: item["role"] for item in api.done("admin", "GET", "/v1/projects?limit=1000")["items"]}
    assert everything[other["id"]] == "admin"
    assert api.done("stranger", "GET", "/v1/projects")["items"] == []


def test_a_project_with_vms_is_not_deleted(api: Api) -> None:
    project = api.project()
    path = f"/v1/projects/{project['id']}"
    vm = Vm(
        id=new_id(),
        project_id=project["id"],
        name="still-here",
        state="stopped",
        os="mini",
        flavor="tiny",
        spec={},
        created_by=api.ids["admin"],
        created_at=0.0,
        updated_at=0.0,
    )
    with api.database.write() as db:
        db.add(vm)
    refused = api.ask("admin", "DELETE", path, headers=match(project))
    assert refused.status_code == 409
    assert "1 vm(s)" in refused.json["detail"]
    with api.database.write() as db:
        db.get_one(Vm, vm.id).deleted_at = 1.0
    assert api.ask("admin", "DELETE", path, headers=match(project)).status_code == 204


def test_a_project_whose_media_were_deleted_can_be_deleted(api: Api) -> None:
    project = api.project()
    path = f"/v1/projects/{project['id']}"
    medium = Media(
        id=new_id(),
        project_id=project["id"],
        name="image",
        kind="iso",
        url="http://images/one.iso",
        sha256="0" * 64,
        state="failed",
        created_at=0.0,
        updated_at=0.0,
    )
    with api.database.write() as db:
        db.add(medium)
    assert "1 media" in api.ask("admin", "DELETE", path, headers=match(project)).json["detail"]
    with api.database.write() as db:
        db.get_one(Media, medium.id).state = "deleted"
    assert api.ask("admin", "DELETE", path, headers=match(project)).status_code == 204
    with api.database.read() as db:
        assert db.get(Media, medium.id) is None


def test_members_come_change_their_role_and_go(api: Api) -> None:
    project, user = api.project(), api.user()
    members = f"/v1/projects/{project['id']}/members"
    mine = f"{members}/{user['id']}"
    name = user["username"]
    assert api.ask(name, "GET", members).status_code == 404
    for role in ("viewer", "operator", "operator"):
        put = api.done("admin", "PUT", mine, {"role": role})
        assert put == {"user": user["id"], "username": name, "role": role}
        # the role is looked up at every request, so the token in use has it already
        assert api.done(name, "GET", "/v1/me")["projects"][0]["role"] == role
    assert api.done(name, "GET", members)["items"] == [put]
    assert api.done("admin", "GET", f"/v1/users/{user['id']}")["role"] == "operator"
    assert api.ask("admin", "DELETE", mine).status_code == 204
    assert api.ask("admin", "DELETE", mine).status_code == 404
    assert api.ask(name, "GET", members).status_code == 404


@pytest.mark.parametrize("role", ["admin", "owner", "", None, 3])
def test_there_are_three_roles_in_a_project(api: Api, role: Any) -> None:
    path = f"/v1/projects/{api.project_id}/members/{api.ids['stranger']}"
    answer = api.ask("admin", "PUT", path, {"role": role})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/role")


def test_a_member_must_exist(api: Api) -> None:
    path = f"/v1/projects/{api.project_id}/members/{GONE}"
    assert api.ask("admin", "PUT", path, {"role": "viewer"}).status_code == 404
