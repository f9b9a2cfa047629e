# SPDX-License-Identifier: Apache-2.0
"""Media over HTTP: asked for by URL or sent in pieces to a real image builder's server, quotas, protection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from deploy.local.servers import Redis
from services.common.contracts.ids import new_id
from services.common.store.models import Job, Media
from services.imagebuilder.media.uploads import Uploads
from services.imagebuilder.places import Places
from services.imagebuilder.server import ArtifactServer
from tests.support.front_door import Api, open_api
from tests.support.stack import free_port

CONTENT = bytes(range(256)) * 8000  # more than any other body may have
SUM = "ab" * 32


class Builder:
    """The image builder's end of uploads."""

    def __init__(self, folder: Path, pem: str, bind: str):
        self.places = Places(folder, "http://x")
        self.uploads = Uploads(self.places, 10 << 20)
        self.server = ArtifactServer(bind, self.places, pem, self.uploads).start()

    def has(self, media_id: str) -> bytes:
        path = self.places.upload(media_id)
        return path.read_bytes() if path.exists() else b""


@pytest.fixture(scope="module")
def api(database_url: str, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    address = f"127.0.0.1:{free_port()}"
    env = {"INNKEEPER_IMAGES_BIND": address, "INNKEEPER_IMAGES_URL": f"http://{address}"}
    found = open_api(tmp_path_factory.mktemp("api"), database_url, redis_server.url, env)
    yield found
    found.database.close()


@pytest.fixture
def builder(api: Api, tmp_path: Path) -> Iterator[Builder]:
    made = Builder(tmp_path, api.keys.command_public_pem, api.settings.images_bind)
    yield made
    made.server.close()


def sent(api: Api, **more: Any) -> dict[str, Any]:
    """A medium that waits to be sent."""
    asked = {"name": f"m-{new_id()}", "upload": True, "size": len(CONTENT), "sha256": SUM, "kind": "iso", **more}
    answer = api.ask("operator", "POST", "/v1/media", asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def put(api: Api, url: str, piece: bytes, start: int | None = None, size: int = len(CONTENT)) -> Any:
    headers = {"Authorization": f"Bearer {api.access('operator')}", "Content-Type": "application/octet-stream"}
    if start is not None:
        headers["Content-Range"] = f"bytes {start}-{start + len(piece) - 1}/{size}"
    return api.app.test_client().put(url, data=piece, headers=headers)


def ended(api: Api, media_id: str, state: str, **values: Any) -> None:
    """What the image builder would write of a medium and its job."""
    with api.database.write() as db:
        db.execute(update(Job).where(Job.media_id == media_id).values(state="succeeded"))
        db.execute(update(Media).where(Media.id == media_id).values(state=state, **values))


def test_an_upload_is_answered_with_where_to_send_it(api: Api) -> None:
    made = sent(api)
    medium = made["media"]
    assert made["job"] is None
    assert made["upload"] == {
        "url": f"/v1/media/{medium['id']}/content",
        "offset": 0,
        "size": len(CONTENT),
        "job": None,
    }
    assert (medium["state"], medium["upload"], medium["url"], medium["protect"]) == ("importing", True, "", True)


def test_a_medium_is_sent_in_pieces_and_its_import_begins_with_the_last(api: Api, builder: Builder) -> None:
    made = sent(api)
    url = made["upload"]["url"]
    for start in range(0, len(CONTENT) - 600_000, 600_000):
        answer = put(api, url, CONTENT[start : start + 600_000], start)
        assert (answer.status_code, answer.json["offset"]) == (200, start + 600_000)
        assert answer.headers["Upload-Offset"] == str(start + 600_000)
    offset = api.done("operator", "GET", url)["offset"]
    head = api.ask("operator", "HEAD", url)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(offset), str(len(CONTENT)))
    answer = put(api, url, CONTENT[offset:], offset)
    assert answer.status_code == 202, answer.text
    assert builder.has(made["media"]["id"]) == CONTENT
    job = answer.json["job"]
    assert (job["kind"], job["media"]) == ("media.import", made["media"]["id"])
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert api.done("operator", "GET", f"/v1/media/{made['media']['id']}")["job"] == job["id"]


def test_a_medium_sent_whole_needs_no_range(api: Api, builder: Builder) -> None:
    made = sent(api)
    answer = put(api, made["upload"]["url"], CONTENT)
    assert answer.status_code == 202
    # While its job runs, nothing more is taken.
    assert put(api, made["upload"]["url"], CONTENT).status_code == 409
    assert api.done("operator", "GET", made["upload"]["url"])["offset"] == len(CONTENT)
    assert api.ask("operator", "DELETE", f"/v1/media/{made['media']['id']}").status_code == 409


def test_an_answer_that_was_lost_after_the_last_piece_loses_nothing(api: Api, builder: Builder) -> None:
    made = sent(api)
    builder.places.upload(made["media"]["id"]).parent.mkdir(parents=True)
    builder.places.upload(made["media"]["id"]).write_bytes(CONTENT)
    assert put(api, made["upload"]["url"], b"").status_code == 202


def test_a_piece_at_the_wrong_place_is_told_the_right_one(api: Api, builder: Builder) -> None:
    url = sent(api)["upload"]["url"]
    put(api, url, CONTENT[:1000], 0)
    for start in (0, 999, 1001):
        answer = put(api, url, CONTENT[start : start + 10], start)
        assert (answer.status_code, answer.json["code"], answer.json["offset"]) == (409, "conflict", 1000)
        assert answer.headers["Upload-Offset"] == "1000"


@pytest.mark.parametrize(
    "header",
    ["bytes 0-5/1", "bytes 5-0/2048000", "lines 1-2", "bytes 0-9/7", "bytes 0-9/*0", "bytes 9999999-9999999/*"],
)
def test_a_range_that_cant_be_right_is_refused(api: Api, builder: Builder, header: str) -> None:
    url = sent(api)["upload"]["url"]
    headers = {"Authorization": f"Bearer {api.access('operator')}", "Content-Range": header}
    answer = api.app.test_client().put(url, data=b"x", headers=headers)
    assert (answer.status_code, (answer.json or {})["code"]) == (400, "malformed")


def test_without_the_image_builder_an_upload_waits(api: Api) -> None:
    answer = put(api, sent(api)["upload"]["url"], CONTENT)
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert "?t=" not in answer.text


def test_a_medium_larger_than_the_builder_allows_is_refused_before_it_comes(api: Api, builder: Builder) -> None:
    made = sent(api, size=11 << 20)
    answer = put(api, made["upload"]["url"], CONTENT[:10], 0, size=11 << 20)
    assert (answer.status_code, answer.json["code"]) == (413, "too-large")
    assert "INNKEEPER_MEDIA_MAX_GIB" in answer.json["detail"]


def test_a_medium_that_comes_from_a_url_takes_nothing(api: Api, builder: Builder) -> None:
    asked = {"name": f"m-{new_id()}", "url": "https://example.org/x.iso", "sha256": SUM}
    made = api.done("operator", "POST", "/v1/media", asked)
    assert made["upload"] is None
    assert put(api, f"/v1/media/{made['media']['id']}/content", b"x").status_code == 409


WRONG = {
    "nothing says where it is": ({}, "/url"),
    "both ways": ({"url": "https://example.org/x", "upload": True, "size": 5}, "/url"),
    "an upload without a size": ({"upload": True}, "/size"),
    "a URL with a size": ({"url": "https://example.org/x", "size": 5}, "/size"),
    "a size of nothing": ({"upload": True, "size": 0}, "/size"),
    "a password in the URL": ({"url": "https://u:p@example.org/x"}, "/url"),
    "an unknown os": ({"upload": True, "size": 5, "os": "beos"}, "/os"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_medium_asked_for_wrongly_names_the_field_and_the_fix(api: Api, what: str) -> None:
    more, pointer = WRONG[what]
    answer = api.ask("operator", "POST", "/v1/media", {"name": "wrong", "sha256": SUM, **more})
    assert answer.status_code == 422
    (problem,) = answer.json["errors"]
    assert problem["pointer"] == pointer
    assert problem["detail"]
    assert problem["fix"]


def test_the_quota_of_media_refuses_what_is_too_much(api: Api) -> None:
    place = api.project(operator="operator")
    path = f"/v1/projects/{place['id']}"
    tag = api.ask("admin", "GET", path).headers["ETag"]
    api.done("admin", "PATCH", path, {"quotas": {"media_gib": 1}}, headers={"If-Match": tag})
    here = {"X-Project": place["id"]}

    def ask(size: int) -> Any:
        asked = {"name": f"m-{new_id()}", "upload": True, "size": size, "sha256": SUM}
        return api.ask("operator", "POST", "/v1/media", asked, headers=here)

    assert ask(3 << 29).status_code == 409
    assert ask(3 << 28).status_code == 201
    refused = ask(3 << 28)
    assert (refused.status_code, refused.json["code"]) == (409, "quota-exceeded")
    assert "0.75 of 1 GiB are used, this medium needs 0.75" in refused.json["errors"][0]["detail"]
    assert ask(1 << 28).status_code == 201
    full = {"name": "by-url", "url": "https://example.org/x", "sha256": SUM}
    assert api.ask("operator", "POST", "/v1/media", full, headers=here).status_code == 409


def test_a_collected_medium_says_so_and_comes_back_by_one_call(api: Api) -> None:
    asked = {"name": f"m-{new_id()}", "url": "https://example.org/x.iso", "sha256": SUM, "os": "debian-13"}
    made = api.done("operator", "POST", "/v1/media", asked)["media"]
    ended(api, made["id"], "available", size=7)
    assert os_is_available(api)
    ended(api, made["id"], "available", collected_at=5.0)
    assert not os_is_available(api)
    shown = api.done("operator", "GET", f"/v1/media/{made['id']}")
    assert (shown["state"], shown["collected_at"]) == ("collected", "1970-01-01T00:00:05.000000Z")
    same = api.ask("operator", "POST", "/v1/media", asked)
    assert (same.status_code, f"/v1/media/{made['id']}/import" in same.json["errors"][0]["fix"]) == (409, True)
    answer = api.ask("operator", "POST", f"/v1/media/{made['id']}/import")
    assert answer.status_code == 202
    assert answer.json["job"]["media"] == made["id"]
    assert api.ask("operator", "POST", f"/v1/media/{made['id']}/import").status_code == 409


def os_is_available(api: Api) -> bool:
    systems = api.done("operator", "GET", "/v1/os")["items"]
    return bool(next(system for system in systems if system["name"] == "debian-13")["available"])


def test_a_collected_upload_is_sent_again(api: Api, builder: Builder) -> None:
    made = sent(api)
    ended(api, made["media"]["id"], "available", collected_at=5.0)
    answer = api.ask("operator", "POST", f"/v1/media/{made['media']['id']}/import")
    assert (answer.status_code, answer.json["upload"]["offset"], answer.json["media"]["job"]) == (201, 0, None)
    assert put(api, made["upload"]["url"], CONTENT).status_code == 202


def test_a_failed_import_is_begun_again_and_one_that_is_there_is_not(api: Api) -> None:
    asked = {"name": f"m-{new_id()}", "url": "https://example.org/x.iso", "sha256": SUM}
    made = api.done("operator", "POST", "/v1/media", asked)["media"]
    ended(api, made["id"], "failed", error="gone")
    again = api.done("operator", "POST", f"/v1/media/{made['id']}/import")
    assert (again["media"]["state"], again["media"]["error"]) == ("importing", "")
    ended(api, made["id"], "available")
    answer = api.ask("operator", "POST", f"/v1/media/{made['id']}/import")
    assert (answer.status_code, answer.json["code"]) == (409, "illegal-state")


def test_a_medium_can_be_protected(api: Api) -> None:
    asked = {"name": f"m-{new_id()}", "url": "https://example.org/x.iso", "sha256": SUM}
    made = api.done("operator", "POST", "/v1/media", asked)["media"]
    assert made["protect"] is False
    path = f"/v1/media/{made['id']}"
    changed = api.done("operator", "PATCH", path, {"protect": True}, headers={"If-Match": f'"{made["etag"]}"'})
    assert changed["protect"] is True
    stale = api.ask("operator", "PATCH", path, {"protect": False}, headers={"If-Match": f'"{made["etag"]}"'})
    assert stale.status_code == 412
    assert api.done("operator", "PATCH", path, {})["protect"] is True


def test_an_upload_nobody_has_begun_can_be_deleted(api: Api) -> None:
    made = sent(api)["media"]
    assert api.ask("operator", "DELETE", f"/v1/media/{made['id']}").status_code == 204
    assert api.ask("operator", "GET", f"/v1/media/{made['id']}/content").status_code == 404


@pytest.mark.parametrize("who", ["viewer", "member"])
def test_only_operators_send_media(api: Api, who: str) -> None:
    url = sent(api)["upload"]["url"]
    headers = {"Authorization": f"Bearer {api.access(who)}"}
    assert api.app.test_client().put(url, data=b"x", headers=headers).status_code == 403
