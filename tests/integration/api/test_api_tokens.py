# SPDX-License-Identifier: Apache-2.0
"""API tokens: shown once, never more than their user, and over when they are deleted or have expired."""

import hashlib
from typing import Any

import pytest

from services.api.limits import SIGN_IN_TRIES
from services.common.contracts.ids import new_id
from services.common.store.models import ApiToken
from tests.support.front_door import PASSWORD, Api, Response

TOKENS = "/v1/tokens"


def made(api: Api, user: str, **more: Any) -> dict[str, Any]:
    body = {"name": f"t-{new_id()}", "scopes": ["write"], **more}
    token: dict[str, Any] = api.done(user, "POST", TOKENS, body)
    return token


def exchanged(api: Api, token: dict[str, Any]) -> Response:
    return api.ask("", "POST", "/v1/auth/token", {"api_token": token["token"]}, address="192.0.2.9")


def asked(api: Api, token: dict[str, Any], method: str, path: str, body: Any = None) -> Response:
    """A request with an access token of this API token."""
    access = exchanged(api, token).json["access_token"]
    return api.ask("", method, path, body, {"Authorization": f"Bearer {access}"})


def test_the_secret_is_shown_once_and_kept_as_a_hash(api: Api) -> None:
    token = made(api, "member")
    assert token["token"].startswith("ink_")
    path = f"{TOKENS}/{token['id']}"
    for later in (api.ask("member", "GET", path), api.ask("member", "GET", TOKENS)):
        assert token["token"] not in later.text
        assert "hash" not in later.text
    with api.database.read() as db:
        kept = db.get_one(ApiToken, token["id"])
    assert kept.token_hash == hashlib.sha256(token["token"].encode()).hexdigest()


def test_a_token_signs_in_and_its_use_is_noted(api: Api) -> None:
    token = made(api, "member")
    answer = exchanged(api, token)
    assert (answer.status_code, answer.json["expires_in"]) == (200, 900)
    assert asked(api, token, "GET", "/v1/me").json["username"] == "member"
    assert api.done("member", "GET", f"{TOKENS}/{token['id']}")["last_used_at"]
    again = api.ask("", "POST", "/v1/auth/refresh", {"refresh_token": answer.json["refresh_token"]})
    assert again.status_code == 200


def test_scripts_may_start_often_with_a_good_token_but_not_with_bad_ones(api: Api) -> None:
    token = made(api, "member")
    assert {exchanged(api, token).status_code for _ in range(2 * SIGN_IN_TRIES)} == {200}
    bad = {"api_token": "ink_made-up"}
    tries = (api.ask("", "POST", "/v1/auth/token", bad, address="192.0.2.10") for _ in range(2 * SIGN_IN_TRIES + 1))
    assert next(tries).status_code == 401
    assert any(answer.status_code == 429 for answer in tries)


def test_deleting_a_token_ends_its_sessions_at_once_and_no_other(api: Api) -> None:
    token, other = made(api, "member"), made(api, "member")
    pairs = [exchanged(api, one).json for one in (token, token, other)]
    assert api.ask("member", "DELETE", f"{TOKENS}/{token['id']}").status_code == 204
    statuses = [
        api.ask("", "GET", "/v1/me", headers={"Authorization": f"Bearer {pair['access_token']}"}).status_code
        for pair in pairs
    ]
    assert statuses == [401, 401, 200]
    body = {"refresh_token": pairs[0]["refresh_token"]}
    assert api.ask("", "POST", "/v1/auth/refresh", body).status_code == 401
    assert exchanged(api, token).status_code == 401


def test_a_stolen_refresh_token_ends_that_session_but_not_the_api_token(api: Api) -> None:
    token = made(api, "member")
    body = {"refresh_token": exchanged(api, token).json["refresh_token"]}
    assert [api.ask("", "POST", "/v1/auth/refresh", body).status_code for _ in range(2)] == [200, 401]
    assert asked(api, token, "GET", "/v1/me").status_code == 200


def test_an_expired_token_is_worthless_and_nothing_outlives_it(api: Api) -> None:
    short = made(api, "member", expires_in=60)
    pair = exchanged(api, short).json
    assert 0 < pair["expires_in"] <= 60
    with api.database.write() as db:
        db.get_one(ApiToken, short["id"]).expires_at = 1.0
    assert exchanged(api, short).status_code == 401
    answer = api.ask("", "POST", "/v1/auth/refresh", {"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 401


def test_a_disabled_user_has_no_tokens(api: Api) -> None:
    user = api.user()
    token = made(api, user["username"])
    headers = {"If-Match": "*"}
    api.done("admin", "PATCH", f"/v1/users/{user['id']}", {"disabled": True}, headers=headers)
    assert exchanged(api, token).status_code == 401


# An API token of `user` with these scopes, asking: what comes of it.
SCOPES = [
    ("admin", ["read"], "GET", "/v1/users", 403),
    ("admin", ["operate"], "GET", "/v1/users", 403),
    ("admin", ["admin"], "GET", "/v1/users", 200),
    ("member", ["read"], "GET", "/v1/me", 200),
    ("member", ["operate"], "GET", "/v1/users", 403),
    ("member", ["operate"], "POST", TOKENS, 403),
    ("admin", ["admin"], "POST", TOKENS, 403),
    ("member", ["read"], "PATCH", "/v1/users/{user}", 403),
]


@pytest.mark.parametrize("user, scopes, method, path, status", SCOPES)
def test_a_token_can_do_no_more_than_scope_and_user(
    api: Api, user: str, scopes: list[str], method: str, path: str, status: int
) -> None:
    bodies = {
        "POST": {"name": "more", "scopes": ["read"]},
        "PATCH": {"password": "a new password", "current_password": PASSWORD},
    }
    answer = asked(api, made(api, user, scopes=scopes), method, path.format(user=api.ids[user]), bodies.get(method))
    assert answer.status_code == status, answer.text


def test_me_tells_what_the_token_allows(api: Api) -> None:
    answer = asked(api, made(api, "operator", scopes=["read"]), "GET", "/v1/me")
    assert [place["role"] for place in answer.json["projects"]] == ["viewer"]
    assert asked(api, made(api, "admin", scopes=["read"]), "GET", "/v1/me").json["admin"] is False


def test_a_token_of_one_project_knows_no_other(api: Api) -> None:
    project = api.project(member="member")
    token = made(api, "member", project=project["name"])
    assert token["project"] == project["id"]
    places = asked(api, token, "GET", "/v1/me").json["projects"]
    assert [place["id"] for place in places] == [project["id"]]
    assert asked(api, token, "GET", f"/v1/projects/{api.project_id}").status_code == 404
    api.done("admin", "DELETE", f"/v1/projects/{project['id']}", headers={"If-Match": "*"})
    assert exchanged(api, token).status_code == 401


@pytest.mark.parametrize(
    "user, body, status, pointer",
    [
        ("member", {"scopes": ["read"]}, 422, "/name"),
        ("member", {"name": "a"}, 422, "/scopes"),
        ("member", {"name": "a", "scopes": []}, 422, "/scopes"),
        ("member", {"name": "a", "scopes": ["root"]}, 422, "/scopes/0"),
        ("member", {"name": "a", "scopes": ["read"], "expires_in": 59}, 422, "/expires_in"),
        ("member", {"name": "a", "scopes": ["read"], "expires_in": 10**9}, 422, "/expires_in"),
        ("member", {"name": "a", "scopes": ["read"], "project": "not-mine"}, 422, "/project"),
        ("member", {"name": "a", "scopes": ["admin"]}, 403, ""),
        ("admin", {"name": "a", "scopes": ["admin"], "project": "default"}, 422, "/scopes"),
        ("member", {"name": "a", "scopes": ["read"], "user": "admin"}, 422, "/user"),
    ],
)
def test_a_bad_token_is_refused(api: Api, user: str, body: dict[str, Any], status: int, pointer: str) -> None:
    answer = api.ask(user, "POST", TOKENS, body)
    assert answer.status_code == status, answer.text
    assert [problem["pointer"] for problem in answer.json["errors"]] == ([pointer] if pointer else [])


def test_tokens_are_their_users_own(api: Api) -> None:
    token = made(api, "member")
    path = f"{TOKENS}/{token['id']}"
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        for user in ("operator", "admin"):
            assert api.ask(user, method, path, body).status_code == 404
    assert token["id"] not in api.ask("admin", "GET", f"{TOKENS}?limit=1000").text
    assert exchanged(api, token).status_code == 200


def test_names_are_unique_among_ones_own_and_can_be_changed(api: Api) -> None:
    name = f"ci-{new_id()}"
    token = made(api, "member", name=name)
    made(api, "operator", name=name)
    again = api.ask("member", "POST", TOKENS, {"name": name, "scopes": ["read"]})
    assert (again.status_code, again.json["errors"][0]["pointer"]) == (409, "/name")
    path = f"{TOKENS}/{token['id']}"
    renamed = api.done("member", "PATCH", path, {"name": f"{name}-2"}, headers={"If-Match": f'"{token["etag"]}"'})
    assert renamed["name"] == f"{name}-2"
    late = api.ask("member", "PATCH", path, {"name": name}, {"If-Match": f'"{token["etag"]}"'})
    assert late.status_code == 412


def test_a_dry_run_shows_no_secret_and_a_key_repeats_the_first_one(api: Api) -> None:
    body = {"name": f"dry-{new_id()}", "scopes": ["read"]}
    assert "token" not in api.done("member", "POST", f"{TOKENS}?dry_run=true", body)
    key = {"Idempotency-Key": new_id()}
    first, second = (api.done("member", "POST", TOKENS, body, headers=key) for _ in range(2))
    assert first["token"] == second["token"]
