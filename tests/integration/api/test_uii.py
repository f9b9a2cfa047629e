# SPDX-License-Identifier: Apache-2.0
"""Virtomize's image API on the wire: every call of its published clients, and everything they can't read otherwise."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select

from deploy.local.servers import Redis
from services.api.uii.offers import offers
from services.common.contracts.ids import new_id
from services.common.store.models import Image, Media
from services.imagebuilder.places import Places
from tests.support.front_door import Api, Response
from tests.support.image_builder import api_with_a_builder, building
from tests.support.redis_tap import tapped

MARK = b"CD001"
AT = 32769  # where every ISO 9660 says that it is one
FORM = "application/x-www-form-urlencoded"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIo6QJpLo1lGUcHNmjGPyGRuVJvH7/iPXfsX2bq1VJdV me@desk"
_addresses = count(1)


@pytest.fixture(scope="module")
def api(database_url: str, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_with_a_builder(tmp_path_factory.mktemp("api"), database_url, redis_server.url) as found:
        yield found


@pytest.fixture(scope="module")
def places(api: Api) -> Iterator[Places]:
    with building(api) as found:
        yield found


@pytest.fixture(scope="module")
def token(api: Api) -> str:
    return a_token(api, "member", ["write"])


def a_token(api: Api, user: str, scopes: list[str], **more: Any) -> str:
    body = {"name": f"t-{new_id()}", "scopes": scopes, "expires_in": 3600, **more}
    return str(api.done(user, "POST", "/v1/tokens", body)["token"])


def call(api: Api, token: str, method: str, path: str, **more: Any) -> Response:
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
    return api.app.test_client().open(f"/uii{path}", method=method, headers=headers, **more)


def build(**more: Any) -> dict[str, Any]:
    """What the Go client sends for a build of the least."""
    return {
        "dist": "debian", "version": "12", "hostname": "host-1", "networks": [{"dhcp": True}], "locale": "",
        "keyboard": "", "password": "", "sshpasswordauth": False, "sshkeys": None, "timezone": "", "arch": "",
        "packages": None, **more,
    }  # fmt: skip


def refused(answer: Response, status: int, instance: str) -> list[str]:
    """The sentences of an error, which must be one that both kinds of reader understand."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    body = json.loads(answer.text)
    assert {"type", "title", "detail", "invalid_params", "trace_id"} <= set(body)
    assert (body["status"], body["statuscode"], body["instance"]) == (status, status, instance)
    assert len(body["timestamp"]) == len("2022-01-16T18:12:52+0000")
    assert body["errors"]
    assert all(isinstance(text, str) and text for text in body["errors"])
    found: list[str] = body["errors"]
    return found


def orders(api: Api) -> int:
    with api.database.read() as db:
        return db.scalar(select(func.count()).select_from(Image)) or 0


def test_the_list_names_what_can_be_built(api: Api, token: str) -> None:
    answer = call(api, token, "GET", "/oslist", headers={"Content-Type": "application/json"})  # as the Go client does
    assert answer.status_code == 200
    rows = answer.json["_embedded"]
    assert [set(row) for row in rows] == [{"dist", "version", "arch", "displayname"}] * len(rows)
    assert ("debian", "12", "x86_64") in [(row["dist"], row["version"], row["arch"]) for row in rows]
    assert {row["arch"] for row in rows} == {"x86_64"}  # what a Terraform provider compares to the letter


@pytest.mark.parametrize("how", ["json", "data"])
def test_packages_are_asked_for_by_json_or_by_form(api: Api, token: str, how: str) -> None:
    asked = {"arch": "x86_64", "dist": "debian", "version": "12"}
    answer = call(api, token, "POST", "/packages", **{how: asked})
    assert answer.status_code == 200, answer.text
    found = answer.json["_embedded"]
    assert (found["dist"], found["version"], found["arch"]) == ("debian", "12", "x86_64")
    assert "curl" in found["packages"]
    assert all(isinstance(name, str) for name in found["packages"])


@pytest.mark.parametrize("more", [{"arch": ""}, {}, {"arch": None}])
def test_a_package_query_at_the_wrong_door_is_answered_as_one(api: Api, token: str, more: dict[str, Any]) -> None:
    answer = call(api, token, "POST", "/images", json={"dist": "debian", "version": "12", **more})
    assert answer.status_code == 200
    assert "curl" in answer.json["_embedded"]["packages"]


def test_a_build_is_answered_with_the_bytes_at_once(api: Api, places: Places, token: str) -> None:
    before = orders(api)
    answer = call(api, token, "POST", "/images", json=build())
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/octet-stream"
    content = answer.data
    assert len(content) == int(answer.headers["Content-Length"])
    assert content[AT : AT + len(MARK)] == MARK
    assert b"host-1" in content
    assert b"name: e*" in content  # one card, whichever it is
    answer.close()
    assert orders(api) == before


def test_the_python_clients_build_has_five_fields_and_a_text_for_dns(api: Api, places: Places, token: str) -> None:
    static = {
        "dhcp": False,
        "ipnet": "192.168.0.200/16",
        "gateway": "192.168.0.1",
        "dns": "1.1.1.1",
        "nointernet": False,
    }
    asked = {"arch": "x86_64", "dist": "debian", "version": "12", "hostname": "py", "networks": [static]}
    answer = call(api, token, "POST", "/images", json=asked)
    assert answer.status_code == 200, answer.text
    assert b"192.168.0.200/16" in answer.data
    assert b"1.1.1.1" in answer.data


def test_the_net_clients_empty_fields_beside_dhcp_mean_nothing(api: Api, places: Places, token: str) -> None:
    net = {"dhcp": True, "domain": "", "dns": [], "ipnet": "", "gateway": "", "nointernet": False}
    assert call(api, token, "POST", "/images", json=build(networks=[net])).status_code == 200


def test_what_was_asked_for_is_in_the_image_and_a_clear_password_is_not(api: Api, places: Places, token: str) -> None:
    clear = "Marker-4711-Battery"
    asked = build(password=clear, sshkeys=[KEY], locale="de-DE", timezone="Europe/Berlin", packages=["htop"])
    with tapped(api.settings.redis_url) as said:
        content = call(api, token, "POST", "/images", json=asked).data
    for words in (b"$6$", KEY.encode(), b"de_DE.UTF-8", b"Europe/Berlin", b"htop", b"ssh_pwauth: false"):
        assert words in content
    assert clear.encode() not in content
    assert clear not in "\n".join(said)
    assert "$6$" not in "\n".join(said)


def test_a_hash_goes_in_as_it_is(api: Api, places: Places, token: str) -> None:
    given = "$6$somesalt$notreallyahashbutoneofitsshape./0"
    content = call(api, token, "POST", "/images", json=build(password=given, sshpasswordauth=True)).data
    assert given.encode() in content
    assert b"ssh_pwauth: true" in content


def test_what_is_wrong_is_said_in_sentences_all_at_once(api: Api, places: Places, token: str) -> None:
    asked = build(hostname="no good", timezone="Mars/Base", networks=[{"ipnet": "10.0.0.5/24", "gateway": "10.1.0.1"}])
    found = refused(call(api, token, "POST", "/images", json=asked), 400, "/images")
    assert [text.partition(":")[0] for text in found] == ["hostname", "timezone", "networks[0].gateway"]
    assert all(text.endswith(".") for text in found)


def test_without_internet_it_is_said_in_the_known_words(api: Api, token: str) -> None:
    asked = build(networks=[{"dhcp": True, "nointernet": True}])
    found = refused(call(api, token, "POST", "/images", json=asked), 400, "/images")
    assert found == ["none of your networks has a valid internet connection"]


def test_what_only_the_image_builder_knows_is_said_in_the_same_way(api: Api, places: Places, token: str) -> None:
    before = orders(api)
    long = [f"{KEY}-{n}-{'x' * 8000}" for n in range(32)]
    found = refused(call(api, token, "POST", "/images", json=build(sshkeys=long)), 400, "/images")
    assert "room" in found[0]
    assert orders(api) == before


@pytest.mark.parametrize("path", ["/packages", "/images"])
@pytest.mark.parametrize(
    "asked, words",
    [({"dist": "debain", "version": "12"}, "debian"), ({"dist": "debian", "version": "9"}, "12"), ({}, "missing")],
)
def test_an_unknown_system_is_refused_with_the_known_ones(
    api: Api, token: str, path: str, asked: dict[str, str], words: str
) -> None:
    assert words in refused(call(api, token, "POST", path, json=asked), 400, path)[0]


@pytest.mark.parametrize("arch", ["32", "i386"])
def test_a_32_bit_image_is_refused_and_never_becomes_another(api: Api, token: str, arch: str) -> None:
    assert "32-bit" in refused(call(api, token, "POST", "/images", json=build(arch=arch)), 400, "/images")[0]


@pytest.mark.parametrize(
    "body, kind",
    [(b"{", "application/json"), (b"[]", "application/json"), (b"\xff", "application/json"), (b"", "application/json"),
     (b"a", "text/plain"), (b'{"dist": "a\\u0000"}', "application/json"), (b"dist=a%00b", FORM)],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/packages", "/images"])
def test_what_cant_be_read_is_refused_in_json(api: Api, token: str, path: str, body: bytes, kind: str) -> None:
    answer = call(api, token, "POST", path, data=body, content_type=kind)
    refused(answer, 400, path)


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/nothing", 404), ("GET", "", 404), ("GET", "/", 404), ("GET", "/images", 405), ("POST", "/oslist", 405),
     ("PUT", "/packages", 405)],
)  # fmt: skip
def test_what_is_not_there_is_said_in_json(api: Api, token: str, method: str, path: str, status: int) -> None:
    refused(call(api, token, method, path), status, path or "/")


def test_a_body_that_is_too_large_is_refused_in_json(api: Api, token: str) -> None:
    answer = call(api, token, "POST", "/images", data=b" " * (1024 * 1024 + 1), content_type="application/json")
    refused(answer, 413, "/images")


def test_a_defect_is_said_in_json_too(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("services.api.uii.routes.offers", broken)
    found = refused(call(api, token, "GET", "/oslist"), 500, "/oslist")
    assert "ZeroDivision" not in found[0]


def test_an_image_builder_that_is_away_is_said_in_json(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.images.orders.TOPIC", "nobody-answers-this")
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 0.2)
    before = orders(api)
    refused(call(api, token, "POST", "/images", json=build()), 503, "/images")
    assert orders(api) == before


@pytest.mark.parametrize("given", ["", "nonsense", "ink_nonsense"])
def test_a_token_that_is_none_of_ours_is_refused_in_json(api: Api, given: str) -> None:
    here = {"REMOTE_ADDR": f"10.77.1.{next(_addresses)}"}
    for method, path in (("GET", "/oslist"), ("POST", "/packages"), ("POST", "/images")):
        answer = call(api, given, method, path, environ_base=here)
        refused(answer, 401, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_guessing_tokens_is_slowed_down_and_said_in_json(api: Api) -> None:
    here = {"REMOTE_ADDR": f"10.77.2.{next(_addresses)}"}
    answers = [call(api, "ink_guess", "GET", "/oslist", environ_base=here) for _ in range(25)]
    assert answers[0].status_code == 401
    refused(answers[-1], 429, "/oslist")
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_token_that_only_reads_builds_nothing(api: Api) -> None:
    reader = a_token(api, "member", ["read"])
    assert call(api, reader, "GET", "/oslist").status_code == 200
    refused(call(api, reader, "POST", "/images", json=build()), 403, "/images")


def test_a_deleted_token_is_worth_nothing(api: Api) -> None:
    made = api.done("member", "POST", "/v1/tokens", {"name": f"t-{new_id()}", "scopes": ["read"], "expires_in": 3600})
    assert call(api, made["token"], "GET", "/oslist").status_code == 200
    used = api.done("member", "GET", f"/v1/tokens/{made['id']}")["last_used_at"]
    assert used is not None
    api.ask("member", "DELETE", f"/v1/tokens/{made['id']}")
    refused(call(api, made["token"], "GET", "/oslist"), 401, "/oslist")


def test_the_project_is_the_tokens(api: Api, places: Places) -> None:
    project = api.project(member="member")
    api.done("admin", "PATCH", f"/v1/projects/{project['id']}", {"quotas": {"images": 0}}, headers={"If-Match": "*"})
    bound = a_token(api, "member", ["write"], project=project["id"])
    found = refused(call(api, bound, "POST", "/images", json=build()), 409, "/images")
    assert "quota images" in found[0]


def test_a_vendors_system_is_listed_where_its_medium_was_imported_and_nowhere_else(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = api.app.extensions["innkeeper"]
    row = replace(parts.systems["debian-12-image"], name="beos-5-installer", source="media", needs_media="buy one")
    monkeypatch.setattr("services.api.uii.routes.offers", lambda entries, media: offers([*entries, row], media))
    project = api.project(member="member")
    elsewhere = a_token(api, "member", ["write"], project=project["id"])
    with api.database.write() as db:
        stamps = {"created_at": 0.0, "updated_at": 0.0}
        medium = {"name": "beos", "os": row.name, "kind": "iso", "url": "", "sha256": "0" * 64, "state": "available"}
        db.add(Media(id=new_id(), project_id=api.project_id, **medium, **stamps))

    def listed(by: str) -> set[str]:
        return {found["dist"] for found in call(api, by, "GET", "/oslist").json["_embedded"]}

    assert listed(token) - listed(elsewhere) == {"beos"}


class Nonsense:
    """JSON as nobody in his right mind would send it, the same each time."""

    LEAVES = (
        "", "x", "debian", "12", "-1", "null", "\u00e9\u4e2d", "\U0001f600", "a" * 300, "10.78.0.5/24", "::1",
        "fe80::1/64", "1.2.3.4", "52:54:00:00:00:01", "$6$a$b", "en-US", "Europe/Berlin",
        "'; --", "a\nb", "]]>", "%end", KEY, 0, 1, -1,
        2**63, 1e308, True, False, None, [], {},
    )  # fmt: skip
    LINK = ("dhcp", "domain", "mac", "ipnet", "gateway", "dns", "nointernet", "other")

    def __init__(self, seed: int):
        self.random = Random(seed)

    def value(self, depth: int = 0) -> Any:
        kind = self.random.randrange(4)
        if kind < 2 or depth > 2:
            return self.random.choice(self.LEAVES)
        if kind == 2:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {self.random.choice(self.LINK): self.value(depth + 1) for _ in range(self.random.randrange(4))}

    def body(self) -> Any:
        whole = build(networks=[{"dhcp": True}])
        for name in self.random.sample(sorted(whole), self.random.randrange(1, 5)):
            whole[name] = self.value()
        return whole


def test_nothing_anybody_sends_is_a_defect(api: Api, places: Places, token: str) -> None:
    nonsense, before = Nonsense(7), orders(api)
    for _ in range(150):
        body = nonsense.body()
        for path in ("/images", "/packages"):
            answer = call(api, token, "POST", path, json=body)
            assert answer.status_code in (200, 400), (body, answer.text)
            if answer.status_code == 400:
                refused(answer, 400, path)
            answer.close()
    assert orders(api) == before
