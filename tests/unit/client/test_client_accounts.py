# SPDX-License-Identifier: Apache-2.0
"""`inn user`, `project` and `token`: secrets are typed or piped, never arguments, and printed where they must be."""

from typing import Any

import pytest

from tests.support.canned_api import CannedApi, Reply
from tests.unit.client.conftest import Inn

USER_ID, PROJECT_ID, TOKEN_ID = (f"0198f2b5-7c1e-7a50-8000-00000000000{n}" for n in (1, 2, 3))
USER = {"id": USER_ID, "username": "bob", "role": "member", "etag": "7.1"}
USER |= {"projects": [{"id": PROJECT_ID, "name": "lab", "role": "member"}]}
PROJECT = {"id": PROJECT_ID, "name": "lab", "quotas": {"vms": 5, "vcpus": None}, "etag": "3.1"}
TOKEN = {"id": TOKEN_ID, "name": "ci", "scopes": ["write"], "project": None, "expires_at": "2036-01-01T00:00:00Z"}
ME = {"id": USER_ID, "username": "bob", "admin": False, "projects": []}

pytestmark = pytest.mark.usefixtures("signed_in")


def page(*items: dict[str, Any]) -> Reply:
    return Reply(200, {"items": list(items), "next": None})


def sent(api: CannedApi, call: str) -> Any:
    return api.of(call)[-1].body


def test_a_user_is_made_with_a_password_from_standard_input(api: CannedApi, command: Inn) -> None:
    api.on("POST /v1/users", Reply(201, USER))
    outcome = command("user", "create", "bob", "--password-stdin", input="correct horse\n")
    assert outcome.exit_code == 0, outcome.output
    assert sent(api, "POST /v1/users") == {"username": "bob", "password": "correct horse", "admin": False}
    assert "correct" not in outcome.output
    assert "lab (member)" in outcome.stdout


def test_ones_own_password_needs_the_old_one_and_another_s_does_not(api: CannedApi, command: Inn) -> None:
    other = {**USER, "id": PROJECT_ID, "username": "eve"}
    api.on("GET /v1/me", Reply(200, ME))
    api.on("GET /v1/users", page(other))
    api.on(f"PATCH /v1/users/{USER_ID}", Reply(200, USER))
    api.on(f"PATCH /v1/users/{PROJECT_ID}", Reply(200, other))
    assert command("user", "passwd", "--password-stdin", input="old one\nnew one 1\n").exit_code == 0
    assert sent(api, f"PATCH /v1/users/{USER_ID}") == {"current_password": "old one", "password": "new one 1"}
    assert command("user", "passwd", "eve", "--password-stdin", input="new one 2\n").exit_code == 0
    assert sent(api, f"PATCH /v1/users/{PROJECT_ID}") == {"password": "new one 2"}


def test_a_user_is_switched_off_only_as_seen(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/users", page(USER))
    api.on(f"PATCH /v1/users/{USER_ID}", Reply(200, USER | {"disabled": True}))
    outcome = command("user", "disable", "bob")
    assert "no, disabled" in outcome.stdout
    (call,) = api.of(f"PATCH /v1/users/{USER_ID}")
    assert (call.body, call.headers["if-match"]) == ({"disabled": True}, '"7.1"')


@pytest.mark.parametrize("noun", ["user", "project", "token"])
def test_nothing_is_deleted_unasked(api: CannedApi, command: Inn, noun: str) -> None:
    api.on("GET /v1/users", page(USER))
    api.on("GET /v1/projects", page(PROJECT))
    api.on("GET /v1/tokens", page(TOKEN))
    name = {"user": "bob", "project": "lab", "token": "ci"}[noun]
    outcome = command(noun, "delete", name)
    assert (outcome.exit_code, "--yes" in outcome.output) == (2, True)
    assert all(seen.method == "GET" for seen in api.asked)


def test_quotas_are_set_and_lifted_by_name(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/projects", page(PROJECT))
    api.on(f"PATCH /v1/projects/{PROJECT_ID}", Reply(200, PROJECT))
    assert command("project", "change", "lab", "--quota", "vms=9", "--quota", "vcpus=none").exit_code == 0
    assert sent(api, f"PATCH /v1/projects/{PROJECT_ID}") == {"quotas": {"vms": 9, "vcpus": None}}
    for wrong in ("rooms=1", "vms=many", "vms=-1", "vms"):
        outcome = command("project", "change", "lab", "--quota", wrong)
        assert outcome.exit_code == 2, wrong
    assert command("project", "change", "lab").exit_code == 2


def test_a_member_is_put_in_and_taken_out(api: CannedApi, command: Inn) -> None:
    at = f"/v1/projects/{PROJECT_ID}/members"
    api.on("GET /v1/projects", page(PROJECT))
    api.on("GET /v1/users", page(USER))
    api.on(f"GET {at}", page({"user": USER_ID, "username": "bob", "role": "viewer"}))
    api.on(f"PUT {at}/{USER_ID}", Reply(200, {"user": USER_ID, "username": "bob", "role": "operator"}))
    api.on(f"DELETE {at}/{USER_ID}", Reply(204))
    assert command("project", "member", "lab", "bob", "operator").stdout == "bob is operator of lab\n"
    assert sent(api, f"PUT {at}/{USER_ID}") == {"role": "operator"}
    assert command("project", "member", "lab", "bob", "none").stdout == "bob is not in lab\n"
    assert "viewer" in command("project", "members", "lab").stdout


def test_a_token_s_secret_is_all_that_is_printed_and_only_once(api: CannedApi, command: Inn) -> None:
    api.on("POST /v1/tokens", Reply(201, TOKEN | {"token": "inn_secret"}))
    api.on("GET /v1/tokens", page(TOKEN))
    made = command("token", "create", "ci", "--expires-in", "30d", "--in", "lab")
    assert made.stdout == "inn_secret\n"
    wanted = {"name": "ci", "scopes": ["write"], "expires_in": 30 * 86_400, "project": "lab"}
    assert sent(api, "POST /v1/tokens") == wanted
    assert "inn_secret" not in command("token", "list").output
    assert command("token", "create", "ci", "--expires-in", "soon").exit_code == 2


def test_who_isn_t_there_is_named(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/users", page())
    outcome = command("user", "show", "nobody")
    assert outcome.exit_code != 0
    assert "nobody" in outcome.output
