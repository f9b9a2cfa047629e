# SPDX-License-Identifier: Apache-2.0
"""Sign in, refresh, sign out: what each gives, and who is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import jwt
import pytest

from services.api.limits import SIGN_IN_TRIES
from services.common.contracts.ids import new_id
from services.common.store.models import User
from tests.support.front_door import PASSWORD, Api, Response

TOKEN, REFRESH, REVOKE = "/v1/auth/token", "/v1/auth/refresh", "/v1/auth/revoke"


def me(api: Api, access_token: str) -> Response:
    return api.ask("", "GET", "/v1/me", headers={"Authorization": f"Bearer {access_token}"})


def refreshed(api: Api, tokens: dict[str, Any], key: str = "") -> Response:
    body = {"refresh_token": tokens["refresh_token"]}
    return api.ask("", "POST", REFRESH, body, headers={"Idempotency-Key": key} if key else {})


def test_a_password_gives_a_short_access_token_and_a_refresh_token(api: Api) -> None:
    tokens = api.sign_in("member")
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    answer = me(api, tokens["access_token"])
    assert answer.json == {
        "id": api.ids["member"],
        "username": "member",
        "admin": False,
        "projects": [{"id": api.project_id, "name": "default", "role": "member"}],
    }


def test_answers_with_tokens_are_never_cached(api: Api) -> None:
    answer = api.ask("", "POST", TOKEN, {"username": "viewer", "password": PASSWORD}, address="192.0.2.1")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "body, status, pointer",
    [
        ({"username": "member", "password": "wrong"}, 401, ""),
        ({"username": "nobody-at-all", "password": PASSWORD}, 401, ""),
        ({"username": "Member", "password": PASSWORD}, 401, ""),
        ({"username": "member' OR '1'='1", "password": PASSWORD}, 401, ""),
        ({"api_token": "ink_made-up"}, 401, ""),
        ({"username": "member"}, 422, "/password"),
        ({}, 422, "/username"),
        ({"username": "member", "password": ""}, 422, "/password"),
        ({"username": "member", "password": 7}, 422, "/password"),
        ({"username": "member", "password": "x" * 300}, 422, "/password"),
        ({"username": "member", "password": PASSWORD, "api_token": "x"}, 422, "/username"),
        ({"username": "member", "password": PASSWORD, "admin": True}, 422, "/admin"),
    ],
)
def test_signing_in_is_refused(api: Api, body: dict[str, Any], status: int, pointer: str) -> None:
    answer = api.ask("", "POST", TOKEN, body, address="192.0.2.2")
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert PASSWORD not in answer.text
    assert pointer in {problem["pointer"] for problem in answer.json["errors"]} | {""}
    if pointer:
        assert answer.json["errors"][0]["fix"]


def test_an_unknown_user_and_a_wrong_password_look_and_take_the_same(api: Api) -> None:
    def tried(username: str) -> tuple[float, str]:
        began = time.perf_counter()
        answer = api.ask("", "POST", TOKEN, {"username": username, "password": "wrong-password"}, address="192.0.2.3")
        return time.perf_counter() - began, answer.json["detail"]

    pairs = [(tried("operator"), tried("nobody-here")) for _ in range(5)]
    known, unknown = median(a[0] for a, _ in pairs), median(b[0] for _, b in pairs)
    assert {a[1] for a, _ in pairs} == {b[1] for _, b in pairs}
    assert 0.3 < known / unknown < 3, (known, unknown)


def test_guessing_is_slowed_down_for_that_name_and_address_only(api: Api) -> None:
    user = api.user()["username"]
    wrong = {"username": user, "password": "a guess of mine"}
    # twice as many, since a new window may begin in between
    tries = (api.ask("", "POST", TOKEN, wrong, address="192.0.2.4") for _ in range(2 * SIGN_IN_TRIES + 1))
    assert next(tries).status_code == 401
    limited = next(answer for answer in tries if answer.status_code == 429)
    assert int(limited.headers["Retry-After"]) > 0
    right = {"username": user, "password": PASSWORD}
    assert api.ask("", "POST", TOKEN, right, address="192.0.2.5").status_code == 200


def test_a_refresh_token_gives_a_new_pair(api: Api) -> None:
    first = api.sign_in("member")
    second = refreshed(api, first)
    assert second.status_code == 200
    assert second.json["refresh_token"] != first["refresh_token"]
    assert me(api, second.json["access_token"]).status_code == 200
    assert me(api, first["access_token"]).status_code == 200
    assert refreshed(api, second.json).status_code == 200


def test_a_refresh_token_used_twice_ends_the_whole_session_and_no_other(api: Api) -> None:
    stolen, other = api.sign_in("member"), api.sign_in("member")
    owner = refreshed(api, stolen).json
    again = refreshed(api, stolen)
    assert again.status_code == 401
    assert "used before" in again.json["detail"]
    assert refreshed(api, owner).status_code == 401
    assert me(api, owner["access_token"]).status_code == 401
    assert me(api, stolen["access_token"]).status_code == 401
    assert me(api, other["access_token"]).status_code == 200


def test_a_refresh_whose_answer_was_lost_may_be_repeated_with_its_key(api: Api) -> None:
    first = api.sign_in("member")
    once, twice = (refreshed(api, first, "lost-answer") for _ in range(2))
    assert once.json == twice.json
    assert twice.headers["Idempotency-Replayed"] == "true"
    assert refreshed(api, once.json).status_code == 200
    # the key is no way around the theft check
    assert refreshed(api, first, "another-key").status_code == 401
    assert refreshed(api, first, "another-key").status_code == 401
    assert me(api, once.json["access_token"]).status_code == 401


def test_of_many_refreshes_at_once_at_most_one_succeeds(api: Api) -> None:
    tokens = api.sign_in("member")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: refreshed(api, tokens), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert refreshed(api, winner.json).status_code == 401


@pytest.mark.parametrize("token", ["", "not-a-token", "a" * 5000])
def test_what_is_no_refresh_token_is_refused(api: Api, token: str) -> None:
    assert api.ask("", "POST", REFRESH, {"refresh_token": token}).status_code in (401, 422)


def test_kinds_of_tokens_are_not_confused(api: Api) -> None:
    tokens = api.sign_in("member")
    assert me(api, tokens["refresh_token"]).status_code == 401
    assert api.ask("", "POST", REFRESH, {"refresh_token": tokens["access_token"]}).status_code == 401
    assert refreshed(api, tokens).status_code == 200


@pytest.mark.parametrize("by", ["refresh_token", "access_token"])
def test_revoking_ends_the_session_and_no_other(api: Api, by: str) -> None:
    mine, other = api.sign_in("member"), api.sign_in("member")
    if by == "refresh_token":
        gone = api.ask("", "POST", REVOKE, {"refresh_token": mine["refresh_token"]})
    else:
        gone = api.ask("", "POST", REVOKE, {}, {"Authorization": f"Bearer {mine['access_token']}"})
    assert (gone.status_code, gone.text) == (204, "")
    assert me(api, mine["access_token"]).status_code == 401
    assert refreshed(api, mine).status_code == 401
    assert me(api, other["access_token"]).status_code == 200


def test_revoking_may_be_repeated_and_asks_for_some_token(api: Api) -> None:
    body = {"refresh_token": api.sign_in("member")["refresh_token"]}
    assert [api.ask("", "POST", REVOKE, body).status_code for _ in range(2)] == [204, 204]
    assert api.ask("", "POST", REVOKE, {"refresh_token": "worthless"}).status_code == 204
    assert api.ask("", "POST", REVOKE, {}).status_code == 401
    assert api.ask("", "POST", REVOKE, {}, {"Authorization": "Bearer worthless"}).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer a.b.c"},
    ],
)
def test_without_a_good_token_everything_says_401_and_how_to_sign_in(api: Api, header: dict[str, str]) -> None:
    for path in ("/v1/me", "/v1/users", "/v1/projects", "/v1/tokens"):
        answer = api.ask("", "GET", path, headers=header)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json["code"] == "unauthenticated"


def test_a_token_forged_for_the_admin_is_refused(api: Api) -> None:
    kid, secret = api.keys.jwt_current
    good = jwt.decode(api.access("member"), secret, ["HS256"], audience="innkeeper-api")
    forged = {**good, "sub": api.ids["admin"]}
    for token in (
        jwt.encode(forged, b"x" * 32, "HS256", headers={"kid": kid}),
        jwt.encode(forged, "", "none", headers={"kid": kid}),
        jwt.encode({**good, "exp": int(time.time()) - 1}, secret, "HS256", headers={"kid": kid}),
        jwt.encode({**good, "sub": new_id()}, secret, "HS256", headers={"kid": kid}),
        jwt.encode({**good, "epoch": good["epoch"] + 1}, secret, "HS256", headers={"kid": kid}),
    ):
        assert me(api, token).status_code == 401


def test_a_password_changed_while_signing_in_leaves_no_way_in(api: Api) -> None:
    user = api.user()
    tokens = api.sign_in(user["username"])
    with api.database.write() as db:
        db.get_one(User, user["id"]).token_epoch += 1
    assert me(api, tokens["access_token"]).status_code == 401
    assert refreshed(api, tokens).status_code == 401
