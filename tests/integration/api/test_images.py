# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: ordered, built, downloaded whole and in ranges, and removed."""

import hashlib
import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from deploy.local.servers import Redis
from services.api.images.content import Asked, opened, response
from services.api.images.orders import Built, built
from services.common.catalog import OsEntry
from services.common.contracts.errors import TryAgain
from services.common.contracts.ids import new_id
from services.common.runtime.ask import Answerer
from services.common.store.models import Image
from services.common.store.tables import table_of
from services.imagebuilder.places import SEED, Places
from tests.support.front_door import Api
from tests.support.image_builder import api_with_a_builder, building
from tests.support.problems import problem
from tests.support.redis_tap import tapped

GIVEN = "52:54:00:ab:00:01"
STREAM = {"Accept": "application/octet-stream"}


@pytest.fixture(scope="module")
def api(database_url: str, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_with_a_builder(tmp_path_factory.mktemp("api"), database_url, redis_server.url) as found:
        yield found


@pytest.fixture(scope="module")
def places(api: Api) -> Iterator[Places]:
    with building(api) as found:
        yield found


def asked(**more: Any) -> dict[str, Any]:
    return {"name": "web-1", "os": "debian-12", "flavor": "small", "networks": [{"network": "default"}], **more}


def ordered(api: Api, user: str = "member", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.done(user, "POST", "/v1/images", asked(**more))
    return made


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def rows(api: Api) -> list[str]:
    with api.database.read() as db:
        return list(db.scalars(select(Image.id)))


def test_an_image_is_built_and_its_url_alone_is_enough_to_download_it(api: Api, places: Places) -> None:
    answer = api.ask("member", "POST", "/v1/images", asked())
    assert answer.status_code == 201, answer.text
    image = answer.json
    assert answer.headers["Location"] == f"/v1/images/{image['id']}"
    assert (image["os"], image["state"], len(image["macs"])) == ("debian-12", "built", 1)
    assert image["url"].startswith(api.settings.api_url)
    content = api.ask("", "GET", path_of(image["url"]))
    assert content.status_code == 200
    assert content.headers["Content-Length"] == str(image["size"]) == str(len(content.data))
    assert hashlib.sha256(content.data).hexdigest() == image["sha256"]
    assert content.data[32769:32774] == b"CD001"
    assert content.headers["Content-Disposition"] == 'attachment; filename="web-1.iso"'
    assert content.headers["Cache-Control"] == "private, no-store"
    assert content.data == (places.image(image["id"]) / SEED).read_bytes()


@pytest.mark.parametrize(
    "more, macs, words",
    [
        ({}, [""], b"name: e*"),
        (
            {"networks": [{"network": "default", "mac": GIVEN.upper()}]},
            [GIVEN],
            GIVEN.encode(),
        ),
        ({"os": "debian-12-image"}, [""], b"name: e*"),
    ],
)
def test_the_only_card_of_a_machine_is_found_without_its_mac_unless_one_is_given(
    api: Api, places: Places, more: dict[str, Any], macs: list[str], words: bytes
) -> None:
    image = ordered(api, **more)
    assert image["macs"] == macs
    assert words in api.ask("", "GET", path_of(image["url"])).data


@pytest.mark.parametrize("more", [{"os": "mini"}, {"networks": [{"network": "default"}, {"network": "default"}]}])
def test_where_cards_are_found_by_mac_the_answer_says_which(api: Api, places: Places, more: dict[str, Any]) -> None:
    image = ordered(api, **more)
    content = api.ask("", "GET", path_of(image["url"])).data
    assert image["macs"]
    assert all(mac.encode() in content for mac in image["macs"] if mac.startswith("52:54:00:"))
    assert "" not in image["macs"]


def test_ranges_and_head_are_answered_as_files_are(api: Api, places: Places) -> None:
    image = ordered(api)
    url = path_of(image["url"])
    whole = api.ask("", "GET", url).data
    head = api.ask("", "HEAD", url)
    assert (head.status_code, head.headers["Content-Length"], head.data) == (200, str(len(whole)), b"")
    assert head.headers["Accept-Ranges"] == "bytes"
    part = api.ask("", "GET", url, headers={"Range": "bytes=32768-32799"})
    assert (part.status_code, part.data) == (206, whole[32768:32800])
    assert part.headers["Content-Range"] == f"bytes 32768-32799/{len(whole)}"
    rest = api.ask("", "GET", url, headers={"Range": "bytes=100-", "If-Range": head.headers["ETag"]})
    assert (rest.status_code, rest.data) == (206, whole[100:])
    other = api.ask("", "GET", url, headers={"Range": "bytes=100-", "If-Range": '"another"'})
    assert (other.status_code, other.data) == (200, whole)
    beyond = api.ask("", "GET", url, headers={"Range": f"bytes={len(whole)}-"})
    problem(beyond, 416, "http-error")
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize("how", ["header", "query"])
def test_bytes_that_are_streamed_at_once_leave_nothing_behind(api: Api, places: Places, how: str) -> None:
    before = rows(api)
    path = "/v1/images" if how == "header" else "/v1/images?stream=true"
    answer = api.ask("member", "POST", path, asked(), headers=STREAM if how == "header" else {})
    assert answer.status_code == 200
    assert answer.mimetype == "application/octet-stream"
    assert len(answer.data) == int(answer.headers["Content-Length"])
    assert answer.data[32769:32774] == b"CD001"
    answer.close()
    assert rows(api) == before


def test_a_url_opens_one_image_and_not_for_ever(api: Api, places: Places) -> None:
    first, second = ordered(api), ordered(api)
    token = urlsplit(first["url"]).query
    for query in (token, "t=x", ""):
        answer = api.ask("", "GET", f"/v1/images/{second['id']}/content?{query}")
        assert problem(answer, 403, "forbidden")["detail"].startswith("this URL needs a token")


def test_an_image_is_of_its_project_and_for_members(api: Api, places: Places) -> None:
    image = ordered(api)
    one = f"/v1/images/{image['id']}"
    assert api.done("member", "GET", one)["size"] == image["size"]
    problem(api.ask("viewer", "GET", one), 403, "forbidden")
    other = api.project(member="member")
    for method in ("GET", "DELETE"):
        problem(api.ask("member", method, one, headers={"X-Project": other["id"]}), 404, "not-found")
    listed = api.done("member", "GET", "/v1/images?limit=1000")["items"]
    assert image["id"] in [item["id"] for item in listed]
    assert "url" not in listed[0]
    assert api.done("member", "GET", "/v1/images", headers={"X-Project": other["id"]})["items"] == []


def test_a_deleted_image_is_gone_at_once_with_its_secrets(api: Api, places: Places) -> None:
    image = ordered(api, users=[{"name": "ops", "password": "correct horse battery"}])
    assert api.ask("member", "DELETE", f"/v1/images/{image['id']}").status_code == 204
    problem(api.ask("member", "GET", f"/v1/images/{image['id']}"), 404, "not-found")
    problem(api.ask("", "GET", path_of(image["url"])), 404, "not-found")
    assert image["id"] not in rows(api)


def test_an_image_whose_time_is_up_is_gone(api: Api, places: Places) -> None:
    image = ordered(api)
    with api.database.write() as db:
        db.execute(update(Image).where(Image.id == image["id"]).values(expires_at=time.time() - 1))
    problem(api.ask("member", "GET", f"/v1/images/{image['id']}"), 404, "not-found")
    problem(api.ask("", "GET", path_of(image["url"])), 404, "not-found")


def test_with_its_project_an_image_is_gone(api: Api, places: Places) -> None:
    project = api.project(member="member")
    image = api.done("member", "POST", "/v1/images", asked(), headers={"X-Project": project["id"]})
    gone = api.ask("admin", "DELETE", f"/v1/projects/{project['id']}", headers={"If-Match": "*"})
    assert gone.status_code == 204, gone.text
    problem(api.ask("", "GET", path_of(image["url"])), 404, "not-found")


def test_the_oldest_images_make_room_within_the_quota_and_none_means_none(api: Api, places: Places) -> None:
    project = api.project(member="member")
    here = {"X-Project": project["id"]}
    api.done("admin", "PATCH", f"/v1/projects/{project['id']}", {"quotas": {"images": 2}}, headers={"If-Match": "*"})
    made = [api.done("member", "POST", "/v1/images", asked(), headers=here)["id"] for _ in range(3)]
    kept = [item["id"] for item in api.done("member", "GET", "/v1/images?sort=created_at", headers=here)["items"]]
    assert kept == made[1:]
    api.done("admin", "PATCH", f"/v1/projects/{project['id']}", {"quotas": {"images": 0}}, headers={"If-Match": "*"})
    problem(api.ask("member", "POST", "/v1/images", asked(), headers=here), 409, "quota-exceeded")


def test_a_repeated_key_gives_the_same_image_and_builds_no_other(api: Api, places: Places) -> None:
    key = {"Idempotency-Key": new_id()}
    first = api.done("member", "POST", "/v1/images", asked(), headers=key)
    again = api.ask("member", "POST", "/v1/images", asked(), headers=key)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert {**again.json, "url": "", "url_expires_at": ""} == {**first, "url": "", "url_expires_at": ""}
    problem(api.ask("member", "POST", "/v1/images", asked(name="other"), headers=key), 422, "invalid")


def test_a_refused_order_leaves_nothing_and_its_key_can_be_used_again(api: Api, places: Places) -> None:
    key, before = {"Idempotency-Key": new_id()}, rows(api)
    # The api lets it through; the image builder knows that this system has no use for it.
    refused = api.ask("member", "POST", "/v1/images", asked(os="mini", ntp=["ntp.example.org"]), headers=key)
    found = problem(refused, 422, "invalid")
    assert [error["pointer"] for error in found["errors"]] == ["/ntp"]
    assert rows(api) == before
    assert api.ask("member", "POST", "/v1/images", asked(), headers=key).status_code == 201


def test_a_dry_run_shows_the_files_and_orders_nothing(api: Api, places: Places) -> None:
    before = rows(api)
    answer = api.done("member", "POST", "/v1/images?dry_run=true", asked())
    assert answer["dry_run"] is True
    assert {file["path"] for file in answer["files"]} == {"meta-data", "network-config", "user-data"}
    assert rows(api) == before


def test_an_os_without_an_installation_image_is_refused_by_name(
    api: Api, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where a row doesn't say how its medium is used.
    monkeypatch.setattr(OsEntry, "installable", False)
    monkeypatch.setattr(OsEntry, "answers_on_disc", False)
    found = problem(
        api.ask("member", "POST", "/v1/images", asked(os="rocky-9-installer", flavor="large")), 422, "invalid"
    )
    assert [error["pointer"] for error in found["errors"]] == ["/os"]


def test_a_lost_file_is_built_once_more(api: Api, places: Places) -> None:
    image = ordered(api)
    (places.image(image["id"]) / SEED).unlink()
    content = api.ask("", "GET", path_of(image["url"]))
    assert hashlib.sha256(content.data).hexdigest() == image["sha256"]


def test_an_order_waits_for_what_the_image_is_made_from_but_not_for_ever(
    api: Api, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.images.orders.TOPIC", "slow-builder")
    monkeypatch.setattr("services.api.images.orders._PAUSE_S", 0.01)
    answers = [{"making": "packages (40%)"}, {"making": "packages (80%)"}, {"file": SEED, "size": 7, "sha256": ""}]
    slow = Answerer(api.settings.redis_url, "slow-builder", lambda _order: answers.pop(0)).start()
    try:
        parts = api.app.extensions["innkeeper"]
        assert built(parts, new_id()) == Built(SEED, 7, "")
        answers.append({"making": "packages (40%)"})
        with pytest.raises(TryAgain, match="packages"):
            built(parts, new_id(), patience_s=0.0)
    finally:
        slow.stop()


def test_an_image_builder_that_breaks_off_before_the_first_byte_is_said_and_no_token_is_told(
    api: Api, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ordered(api)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def promise_and_leave() -> None:
            link, _ = server.accept()
            with link:
                link.recv(65536)
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")

        thread = threading.Thread(target=promise_and_leave)
        thread.start()
        parts = api.app.extensions["innkeeper"]
        elsewhere = replace(parts.settings, images_url=f"http://127.0.0.1:{address[1]}")
        with pytest.raises(TryAgain) as refusal:
            response(opened(replace(parts, settings=elsewhere), Asked(image["id"], SEED)), {})
        thread.join()
    assert "?t=" not in str(refusal.value)


def test_without_an_image_builder_it_is_not_now_and_nothing_remains(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.images.orders.TOPIC", "nobody-answers-this")
    monkeypatch.setattr("services.api.asking.patience_s", lambda parts: 0.2)
    before = rows(api)
    problem(api.ask("member", "POST", "/v1/images", asked()), 503, "unavailable")
    assert rows(api) == before


def test_secrets_are_in_the_image_and_in_no_answer_no_row_and_nothing_said_to_redis(api: Api, places: Places) -> None:
    secret = "Marker-4711-Battery"
    script = f"#!/bin/sh\necho {secret}\n"
    with tapped(api.settings.redis_url) as said:
        image = ordered(api, users=[{"name": "ops", "password": secret}], first_boot=script)
        content = api.ask("", "GET", path_of(image["url"])).data
    assert b64encode(script.encode()) in content
    assert any(image["id"] in command for command in said)
    shown = [image, api.done("member", "GET", f"/v1/images/{image['id']}"), api.done("member", "GET", "/v1/images")]
    with api.database.read() as db:
        row = db.get_one(Image, image["id"])
    kept = {column.key: getattr(row, column.key) for column in table_of(Image).columns}
    for words in (json.dumps(shown), json.dumps(kept, default=str), "\n".join(said)):
        assert not [form for form in forms_of(secret) if form in words]
        assert "$6$" not in words


def forms_of(secret: str) -> list[str]:
    """The secret as it is, in hexadecimal, and in base64 whatever stands before it."""
    shifted = [b64encode(b" " * n + secret.encode()).decode().rstrip("=")[n + 1 : -2] for n in range(3)]
    return [secret, secret.encode().hex(), *shifted]
