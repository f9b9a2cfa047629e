# SPDX-License-Identifier: Apache-2.0
"""Who may call what, over every line of the table; and that nothing anybody sends is a defect."""

import json
import re
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.api.access import Role
from services.api.route import Route
from services.api.routes import ROUTES
from services.api.uii.routes import ROUTES as UII_ROUTES
from services.common.contracts.ids import new_id
from tests.support.front_door import Api

# The highest role in the project "default" that does not reach the route's.
BELOW = {Role.VIEWER: "stranger", Role.MEMBER: "viewer", Role.OPERATOR: "member", Role.ADMIN: "operator"}
ENOUGH = {
    Role.USER: "stranger",
    Role.VIEWER: "viewer",
    Role.MEMBER: "member",
    Role.OPERATOR: "operator",
    Role.ADMIN: "admin",
}
LINES = {f"{route.method} {route.path}": route for route in ROUTES}
# No broker, no scheduler and no image builder here: a 503 is the truth.
AWAY = (
    "GET /readyz",
    "POST /v1/placements:explain",
    "POST /v1/hosts:consolidate",
    "POST /v1/hosts:take-moves",
    "POST /v1/images",
    "POST /v1/images:preview",
    "POST /v1/policies",
    "POST /v1/policies:validate",
    "POST /v1/policies:simulate",
    "POST /v1/policies:what-fits",
    "POST /v1/decisions/{decision_id}/replay",
)
# Anybody may call these, for themselves alone: an id nobody has is refused. test_accounts has their own story.
OWN = ("GET /v1/users/{user_id}", "PATCH /v1/users/{user_id}")
# Routes whose body has a field that must be there.
BODIES = {
    "PUT /v1/projects/{project_id}/members/{user_id}": {"role": "viewer"},
    "PATCH /v1/tokens/{token_id}": {"name": "other"},
    "POST /v1/vms/{vm_id}/snapshots": {"name": "before"},
    "POST /v1/vms/{vm_id}/clone": {"name": "twin"},
    "POST /v1/vms/{vm_id}/nics": {"network": "default"},
    "POST /v1/vms/{vm_id}/volumes/{volume_id}/grow": {"size_gib": 2},
}
SECURED = {name: route for name, route in LINES.items() if route.role > Role.PUBLIC}


@pytest.fixture(autouse=True)
def nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler will ever answer here."""
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 0.1)


def filled(route: Route, some_id: str = "") -> str:
    """The route's path with an id nobody has, or this one."""
    return re.sub(r"\{\w+\}", some_id or new_id(), route.path)


def asked(api: Api, user: str, route: Route, headers: Mapping[str, str] | None = None) -> TestResponse:
    body: Any = BODIES.get(f"{route.method} {route.path}", {}) if route.body is not None else None
    every = {"Accept": "application/json", **(headers or {})}
    answer: TestResponse = api.ask(user, route.method, filled(route), body, every)
    return answer


def is_problem(answer: TestResponse) -> bool:
    """Whether a refusal is a whole problem document."""
    found = json.loads(answer.text)
    named = {"type", "title", "status", "code", "detail", "errors", "trace_id"} <= set(found)
    return answer.mimetype == "application/problem+json" and named and bool(found["trace_id"])


@pytest.mark.parametrize("line", SECURED)
def test_a_stranger_without_a_token_is_asked_to_sign_in(api: Api, line: str) -> None:
    answer = asked(api, "", SECURED[line])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert is_problem(answer)


@pytest.mark.parametrize("line", [name for name, route in SECURED.items() if route.role in BELOW])
def test_too_low_a_role_is_refused_before_anything_is_looked_up(api: Api, line: str) -> None:
    route = SECURED[line]
    who = BELOW[route.role]
    answer = asked(api, who, route)
    # Somebody who has no project at all is told that, whatever the role would be.
    assert answer.status_code == (404 if who == "stranger" and route.project else 403), answer.text
    assert is_problem(answer)


@pytest.mark.parametrize("line", [name for name in SECURED if name not in OWN])
def test_enough_of_a_role_is_let_in(api: Api, line: str) -> None:
    route = SECURED[line]
    assert asked(api, ENOUGH[route.role], route).status_code not in (401, 403)


@pytest.mark.parametrize("line", [name for name, route in SECURED.items() if "{" in route.path])
def test_an_id_nobody_has_is_not_found(api: Api, line: str) -> None:
    route = SECURED[line]
    answer = asked(api, "admin", route, headers={"If-Match": "*"})
    assert answer.status_code == 404, answer.text
    assert is_problem(answer)


def test_the_table_is_what_the_server_knows_and_what_is_documented(api: Api) -> None:
    table = {(route.method, route.path) for route in ROUTES}
    known = {
        (method, re.sub(r"<uuid:(\w+)>", r"{\1}", rule.rule).replace("<mac>", "{mac}"))
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/assets/<path:name>")}
    assert known - table == documented | {(method, f"/uii{path}") for method, path in UII_ROUTES}
    assert table <= known
    document = api.done("", "GET", "/openapi.json")
    assert {
        (verb.upper(), path) for path, item in document["paths"].items() for verb in item if verb != "parameters"
    } == table
    for route in ROUTES:
        assert document["paths"][route.path][route.method.lower()]["x-role"] == route.role.name.lower()


class Garbage:
    """Requests as nobody in his right mind would send them, the same ones each time."""

    WORDS = (
        "", "x", "web", "none", "default", "debian-12", "mini", "tiny", "-1", "0", "true", "null", "*", "%", "'; --",
        "../..", "\u00e9\u4e2d", "\U0001f600", "a" * 300, "10.78.0.5/24", "10.77.0.1", "::1", "fe80::1/64", "1e400",
        "52:54:00:00:00:01", "#!/bin/sh", "http://x/y", "0" * 64, "2026-01-01", "key=value", "\t\n", "\ud7ff",
        '"', "\\", 'a"b=c', "$.x=1",
    )  # fmt: skip
    NUMBERS = (0, 1, -1, 7, 4096, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e308)

    def __init__(self, seed: int):
        self.random = Random(seed)

    def value(self, depth: int = 0) -> Any:
        """Some JSON."""
        kind = self.random.randrange(8 if depth < 3 else 5)
        if kind <= 1:
            return self.random.choice(self.WORDS)
        if kind == 2:
            return self.random.choice(self.NUMBERS)
        if kind <= 4:
            return self.random.choice((None, True, False))
        if kind <= 6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {self.random.choice(self.WORDS): self.value(depth + 1) for _ in range(self.random.randrange(3))}

    def body(self, route: Route) -> Any:
        """Fields the route knows, with anything in them."""
        if route.body is None or self.random.random() < 0.1:
            return self.value()
        names = sorted(route.body.fields)
        some = self.random.sample(names, self.random.randrange(len(names) + 1))
        return {name: self.field(route.body.fields[name]) for name in some}

    def field(self, field: Any) -> Any:
        """Half of the time something of the right kind."""
        kind = type(field).__name__
        if self.random.random() < 0.5:
            return self.value()
        if kind == "List":
            return [self.field(field.inner) for _ in range(self.random.randrange(3))]
        if kind == "Nested":
            return {
                name: self.field(inner) for name, inner in field.schema.fields.items() if self.random.random() < 0.7
            }
        if kind == "Integer":
            return self.random.choice(self.NUMBERS)
        return self.random.choice(self.WORDS)

    def query(self, route: Route) -> dict[str, str]:
        """Parameters the route knows, with any text in them."""
        names = sorted(field.data_key or name for name, field in route.query.fields.items()) if route.query else []
        some = [name for name in names if self.random.random() < 0.3 and name != "wait"]
        return {name: self.random.choice((*self.WORDS, "a\x00b", "1", "name", "-name", "id")) for name in some}

    def headers(self) -> dict[str, str]:
        """Headers that mean something here, with any text in them."""
        names = ("If-Match", "If-None-Match", "Idempotency-Key", "X-Project", "X-Request-ID", "Last-Event-ID", "Prefer")
        words = ("", "*", "x", '"a.b"', 'W/"x"', "default", "1", "0.5/x/1", "nan//1", "1e999/a/9" + "9" * 30, "k" * 300)
        return {name: self.random.choice(words) for name in names if self.random.random() < 0.2}


def ids_of(api: Api) -> list[str]:
    """Ids that exist, and one that does not."""
    vm = api.done("admin", "POST", "/v1/vms", {"name": f"f-{new_id()[-12:]}", "os": "mini", "flavor": "tiny"})
    networks = [item["id"] for item in api.done("admin", "GET", "/v1/networks")["items"]]
    return [vm["vm"]["id"], vm["job"]["id"], *networks, api.project_id, new_id()]


@pytest.mark.parametrize("line", LINES)
def test_nothing_anybody_sends_is_a_defect(api: Api, line: str) -> None:
    """Any JSON, query and headers at every route, by an admin: refused in due form or done, never a 500."""
    route = LINES[line]
    garbage = Garbage(sum(line.encode()))
    ids = ids_of(api)
    client = api.app.test_client()
    token = api.sign_in("admin")["access_token"]  # of its own: one of the routes ends the session
    for _ in range(25):
        headers = {"Authorization": f"Bearer {token}", **garbage.headers()}
        answer = client.open(
            filled(route, garbage.random.choice(ids)),
            method=route.method,
            headers=headers,
            query_string={**garbage.query(route), **({"dry_run": "true"} if not route.reads and route.query else {})},
            environ_base={"REMOTE_ADDR": f"10.9.{garbage.random.randrange(255)}.1"},
            **({"json": garbage.body(route)} if route.method != "GET" else {}),
        )
        if line not in AWAY or answer.status_code != 503:
            assert answer.status_code < 500, answer.text
            assert answer.status_code < 400 or is_problem(answer), answer.text
        answer.close()
