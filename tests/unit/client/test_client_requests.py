# SPDX-License-Identifier: Apache-2.0
"""How the client asks: keys, retries, tokens, projects, pages, and which exception each refusal is."""

import threading

import pytest

from innkeeper import errors
from innkeeper.client import Client, Manners
from innkeeper.models.account import Tokens
from innkeeper.retry import RetryPolicy
from tests.support.canned_api import Asked, CannedApi, Reply, problem

VM = {"id": "v1", "name": "web-1", "state": "provisioning", "flavour_of_the_day": 7}
JOB = {"id": "j1", "kind": "vm.create", "state": "queued"}
CREATED = Reply(202, {"vm": VM, "job": JOB}, {"Location": "/v1/jobs/j1"})


def keys(api: CannedApi, route: str) -> list[str]:
    return [a.headers["idempotency-key"] for a in api.of(route)]


def test_a_post_is_sent_again_with_the_same_key_after_a_dropped_connection_and_503(
    api: CannedApi, client: Client
) -> None:
    busy = problem(503, "unavailable", "not now", headers={"Retry-After": "0"})
    api.on("POST /v1/vms", Reply(drop=True), busy, CREATED)
    created = client.vms.create({"name": "web-1"})
    assert (created.vm.id, created.job.id) == ("v1", "j1")
    assert len(keys(api, "POST /v1/vms")) == 3
    assert len(set(keys(api, "POST /v1/vms"))) == 1


def test_a_retry_that_meets_its_own_first_try_waits_for_the_answer(api: CannedApi, client: Client) -> None:
    api.on("POST /v1/vms", Reply(drop=True), problem(409, "still-running", "being answered"), CREATED)
    assert client.vms.create({"name": "web-1"}).job.id == "j1"


def test_two_posts_have_different_keys_and_a_given_key_is_used(api: CannedApi, client: Client) -> None:
    api.on("POST /v1/vms", CREATED)
    client.vms.create({})
    client.vms.create({})
    client.vms.create({}, idempotency_key="mine")
    first, second, third = keys(api, "POST /v1/vms")
    assert first != second
    assert third == "mine"


def test_a_delete_whose_answer_was_lost_is_not_sent_again(api: CannedApi, client: Client) -> None:
    api.on("DELETE /v1/vms/v1", Reply(drop=True))
    with pytest.raises(errors.Unreachable):
        client.vms.delete("v1", etag="a.b")
    (asked,) = api.of("DELETE /v1/vms/v1")
    assert asked.headers["if-match"] == '"a.b"'


def test_users_and_projects_are_deleted_as_they_were_seen_or_as_they_are(api: CannedApi, client: Client) -> None:
    api.on("DELETE /v1/users/u1", Reply(204))
    client.users.delete("u1", etag="a.b")
    client.users.delete("u1")
    assert [asked.headers["if-match"] for asked in api.of("DELETE /v1/users/u1")] == ['"a.b"', "*"]


def test_a_server_that_is_not_there_is_unreachable_by_name(api: CannedApi) -> None:
    manners = Manners(retry=RetryPolicy(attempts=2, first_s=0.001))
    with Client("http://127.0.0.1:9", manners=manners) as nowhere, pytest.raises(errors.Unreachable) as caught:
        nowhere.me()
    assert "127.0.0.1:9" in str(caught.value)


def test_an_expired_token_is_renewed_once_and_the_request_repeated_with_its_key(api: CannedApi, client: Client) -> None:
    api.on("POST /v1/vms", problem(401, "unauthenticated", "expired"), CREATED)
    api.on("POST /v1/auth/refresh", Reply(200, {"access_token": "access-2", "refresh_token": "refresh-2"}))
    client.vms.create({})
    assert [a.headers["authorization"] for a in api.of("POST /v1/vms")] == ["Bearer access-1", "Bearer access-2"]
    assert len(set(keys(api, "POST /v1/vms"))) == 1
    (refresh,) = api.of("POST /v1/auth/refresh")
    assert refresh.body == {"refresh_token": "refresh-1"}
    assert "authorization" not in refresh.headers


def test_a_second_401_is_final(api: CannedApi, client: Client) -> None:
    api.on("GET /v1/me", problem(401, "unauthenticated", "no"))
    api.on("POST /v1/auth/refresh", Reply(200, {"access_token": "access-2"}))
    with pytest.raises(errors.NotSignedIn):
        client.me()
    assert len(api.of("POST /v1/auth/refresh")) == 1


def test_many_threads_with_one_expired_token_renew_it_once(api: CannedApi, client: Client) -> None:
    together = threading.Barrier(4)

    def me(asked: Asked) -> Reply:
        if asked.headers["authorization"] == "Bearer access-1":
            together.wait(5)
            return problem(401, "unauthenticated", "expired")
        return Reply(200, {"user": {"username": "ada"}})

    api.on("GET /v1/me", me)
    api.on("POST /v1/auth/refresh", Reply(200, {"access_token": "access-2", "refresh_token": "refresh-2"}))
    threads = [threading.Thread(target=client.me) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(api.of("POST /v1/auth/refresh")) == 1


def test_a_wrong_password_is_told_and_not_retried(api: CannedApi, client: Client) -> None:
    api.on("POST /v1/auth/token", problem(401, "unauthenticated", "wrong name or password"))
    with pytest.raises(errors.NotSignedIn):
        client.login("ada", "wrong")
    assert len(api.asked) == 1


def test_the_project_travels_with_every_request(api: CannedApi) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [], "next": None}))
    with Client(api.url, "token", "lab") as client:
        assert list(client.vms.list()) == []
    assert api.asked[0].headers["x-project"] == "lab"


def test_a_list_follows_its_cursors_and_keeps_unknown_fields_in_raw(api: CannedApi, client: Client) -> None:
    second = {**VM, "id": "v2", "name": "web-2"}
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": "c2"}), Reply(200, {"items": [second], "next": None}))
    found = list(client.vms.list(state="ready"))
    assert [v.name for v in found] == ["web-1", "web-2"]
    assert found[0].raw["flavour_of_the_day"] == 7
    assert [a.query for a in api.asked] == [{"state": "ready"}, {"state": "ready", "cursor": "c2"}]


def test_a_vm_is_found_by_name_with_its_etag(api: CannedApi, client: Client) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [VM], "next": None}))
    api.on("GET /v1/vms/v1", Reply(200, {**VM, "etag": "a.b"}))
    assert client.vms.find("web-1").etag == "a.b"
    assert api.asked[0].query == {"name": "web-1"}


def test_a_name_nobody_has_is_not_found(api: CannedApi, client: Client) -> None:
    api.on("GET /v1/vms", Reply(200, {"items": [], "next": None}))
    with pytest.raises(errors.NotFound, match="web-9"):
        client.vms.find("web-9")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed", errors.Invalid),
        (401, "unauthenticated", errors.NotSignedIn),
        (403, "forbidden", errors.Forbidden),
        (404, "not-found", errors.NotFound),
        (409, "conflict", errors.Conflict),
        (412, "changed-meanwhile", errors.Conflict),
        (415, "wrong-media-type", errors.Invalid),
        (422, "invalid", errors.Invalid),
        (422, "no-host", errors.NoHost),
        (422, "unsupported", errors.Unsupported),
        (428, "if-match-required", errors.Conflict),
        (429, "too-many-requests", errors.Busy),
        (500, "internal", errors.ServerFault),
        (503, "unavailable", errors.Busy),
    ],
)
def test_every_status_has_its_exception(
    api: CannedApi, client: Client, status: int, code: str, kind: type[errors.Refused]
) -> None:
    wrong = {"pointer": "/os", "detail": "unknown", "fix": "debian-12"}
    api.on("POST /v1/placements:explain", problem(status, code, "why", errors=[wrong], trace_id="t1"))
    api.on("POST /v1/auth/refresh", problem(401, "unauthenticated", "refresh token is spent"))
    with pytest.raises(errors.Refused) as caught:
        client.placements.explain({})
    assert type(caught.value) is kind
    if status != 401:
        assert (caught.value.code, caught.value.trace_id) == (code, "t1")
        assert caught.value.problems == (errors.FieldProblem("/os", "unknown", "debian-12"),)


def test_a_web_page_instead_of_the_api_is_named_as_such(api: CannedApi, client: Client) -> None:
    api.on("GET /v1/me", Reply(200, "<html>hello</html>", {"Content-Type": "text/html"}))
    with pytest.raises(errors.NotTheContract, match="text/html"):
        client.me()
    api.on("GET /v1/me", Reply(502, "<html>bad gateway</html>", {"Content-Type": "text/html"}))
    with pytest.raises(errors.ServerFault, match="502"):
        client.me()


def test_an_answer_without_a_needed_field_names_it(api: CannedApi, client: Client) -> None:
    api.on("GET /v1/jobs/j1", Reply(200, {"id": "j1", "kind": "vm.create"}))
    with pytest.raises(errors.NotTheContract, match="'state'"):
        client.jobs.get("j1")


def test_tokens_are_never_in_a_repr(client: Client) -> None:
    tokens = Tokens(access_token="access-secret", refresh_token="refresh-secret")
    assert "secret" not in repr(tokens)
    assert "access-1" not in repr(vars(client))


def test_an_id_cannot_leave_its_path(api: CannedApi, client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.vms.get("../users")
    assert api.asked[0].path == "/v1/vms/..%2Fusers"
