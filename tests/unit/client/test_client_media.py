# SPDX-License-Identifier: Apache-2.0
"""Media by client and command: imported, sent in pieces and gone on with, listed, protected, deleted."""

import hashlib
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from innkeeper.client import Client
from innkeeper.errors import Conflict, FileChanged, Unreachable
from innkeeper.resources import sending
from tests.support.canned_api import Asked, CannedApi, Reply, problem

Inn = Callable[..., Result]
FILE = bytes(range(256)) * 100
SUM = hashlib.sha256(FILE).hexdigest()
MEDIUM: dict[str, Any] = {"id": "m1", "name": "deb", "os": "debian-13", "kind": "cloud-image", "state": "importing"}
MEDIUM |= {"upload": True, "sha256": SUM, "size": len(FILE), "url": "", "etag": "x"}
JOB: dict[str, Any] = {"id": "j1", "kind": "media.import", "state": "succeeded", "steps": [], "media": "m1"}


class Shelf:
    """The server's end of one upload."""

    def __init__(self, api: CannedApi, faults: list[Reply] | None = None):
        self.content = b""
        self.faults = faults or []
        self.lock = threading.Lock()
        api.on("GET /v1/media/m1/content", self.offset)
        api.on("PUT /v1/media/m1/content", self.take)

    def offset(self, _asked: Asked) -> Reply:
        return Reply(200, {"offset": len(self.content), "size": len(FILE), "job": None})

    def take(self, asked: Asked) -> Reply:
        piece = asked.body or b""
        start = int(asked.headers.get("content-range", "bytes 0-").split()[1].split("-")[0])
        if piece and start != len(self.content):
            return problem(409, "conflict", "elsewhere", offset=len(self.content))
        self.content += piece
        if self.faults and piece:
            return self.faults.pop(0)
        whole = len(self.content) == len(FILE)
        answer = {"offset": len(self.content), "size": len(FILE), "job": JOB if whole else None}
        return Reply(202 if whole else 200, answer)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending.Sending.__init__, "__defaults__", (10_000,))


@pytest.fixture
def followed(api: CannedApi) -> None:
    """What following the import asks for."""
    api.on("GET /v1/jobs/j1", Reply(200, JOB))
    api.on("GET /v1/jobs/j1/events", Reply(200, {"items": [], "next": None}))


def test_a_file_is_sent_in_pieces_and_told_of(api: CannedApi, client: Client) -> None:
    shelf, told = Shelf(api), list[int]()
    job = client.media.send("m1", BytesIO(FILE), told.append)
    assert (job.id, shelf.content) == ("j1", FILE)
    assert told == [0, 10_000, 20_000, len(FILE)]
    ranges = [asked.headers["content-range"] for asked in api.of("PUT /v1/media/m1/content")]
    assert ranges[0] == f"bytes 0-9999/{len(FILE)}"


def test_a_break_is_borne_and_gone_on_with_from_where_the_server_is(api: CannedApi, client: Client) -> None:
    lost, busy = Reply(drop=True), problem(503, "unavailable", "go on later")
    shelf = Shelf(api, [lost, busy, lost])
    client.media.send("m1", BytesIO(FILE))
    assert shelf.content == FILE


def test_an_answer_lost_after_the_last_piece_is_asked_for_again(api: CannedApi, client: Client) -> None:
    shelf = Shelf(api)
    shelf.content = FILE
    assert client.media.send("m1", BytesIO(FILE)).id == "j1"
    (asked,) = api.of("PUT /v1/media/m1/content")
    assert "content-range" not in asked.headers


def test_a_server_that_stays_away_ends_the_sending(api: CannedApi, client: Client) -> None:
    Shelf(api)
    api.on("PUT /v1/media/m1/content", Reply(drop=True))
    with pytest.raises(Unreachable):
        client.media.send("m1", BytesIO(FILE))
    assert len(api.of("PUT /v1/media/m1/content")) == 8


def test_a_medium_that_waits_for_nothing_ends_the_sending_at_once(api: CannedApi, client: Client) -> None:
    Shelf(api)
    api.on("PUT /v1/media/m1/content", problem(409, "conflict", "it is available"))
    with pytest.raises(Conflict, match="it is available"):
        client.media.send("m1", BytesIO(FILE))


def test_a_file_that_has_become_shorter_is_noticed(api: CannedApi, client: Client) -> None:
    Shelf(api)
    with pytest.raises(FileChanged, match="ends at byte 15000"):
        client.media.send("m1", BytesIO(FILE[:15_000]))


@pytest.mark.usefixtures("signed_in", "followed")
def test_upload_announces_sends_and_follows(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    (tmp_path / "deb.qcow2").write_bytes(FILE)
    shelf = Shelf(api)
    api.on("GET /v1/media", Reply(200, {"items": []}), Reply(200, {"items": [{**MEDIUM, "state": "available"}]}))
    api.on("POST /v1/media", Reply(201, {"media": MEDIUM, "job": None, "upload": {"offset": 0}}))
    outcome = command("media", "upload", "deb", str(tmp_path / "deb.qcow2"), "--os", "debian-13")
    assert outcome.exit_code == 0, outcome.output
    assert shelf.content == FILE
    (asked,) = api.of("POST /v1/media")
    wanted = {"name": "deb", "os": "debian-13", "size": len(FILE), "sha256": SUM, "kind": "cloud-image", "upload": True}
    assert asked.body == wanted
    assert "available" in outcome.output


@pytest.mark.usefixtures("signed_in", "followed")
def test_upload_goes_on_with_what_was_begun(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    (tmp_path / "deb.iso").write_bytes(FILE)
    shelf = Shelf(api)
    shelf.content = FILE[:20_000]
    api.on("GET /v1/media", Reply(200, {"items": [MEDIUM]}))
    assert command("media", "upload", "deb", str(tmp_path / "deb.iso")).exit_code == 0
    assert api.of("POST /v1/media") == []
    assert len(api.of("PUT /v1/media/m1/content")) == 1


@pytest.mark.usefixtures("signed_in", "followed")
@pytest.mark.parametrize("state", ["collected", "failed"])
def test_upload_of_one_that_is_gone_begins_it_again(api: CannedApi, command: Inn, tmp_path: Path, state: str) -> None:
    (tmp_path / "deb.iso").write_bytes(FILE)
    shelf = Shelf(api)
    api.on("GET /v1/media", Reply(200, {"items": [{**MEDIUM, "state": state, "job": "j0"}]}))
    api.on("POST /v1/media/m1/import", Reply(201, {"media": MEDIUM, "job": None, "upload": {"offset": 0}}))
    assert command("media", "upload", "deb", str(tmp_path / "deb.iso")).exit_code == 0
    assert shelf.content == FILE


@pytest.mark.usefixtures("signed_in", "followed")
def test_upload_follows_the_import_where_all_is_there(api: CannedApi, command: Inn, tmp_path: Path) -> None:
    (tmp_path / "deb.iso").write_bytes(FILE)
    api.on("GET /v1/media", Reply(200, {"items": [{**MEDIUM, "job": "j1"}]}))
    assert command("media", "upload", "deb", str(tmp_path / "deb.iso")).exit_code == 0
    assert api.of("PUT /v1/media/m1/content") == []


@pytest.mark.usefixtures("signed_in")
def test_upload_refuses_another_file_than_was_published(command: Inn, tmp_path: Path) -> None:
    (tmp_path / "deb.iso").write_bytes(FILE)
    outcome = command("media", "upload", "deb", str(tmp_path / "deb.iso"), "--sha256", "0" * 64)
    assert outcome.exit_code == 2
    assert f"has the sha256 {SUM}" in outcome.output


@pytest.mark.usefixtures("signed_in", "followed")
def test_import_asks_for_what_was_said_and_follows(api: CannedApi, command: Inn) -> None:
    api.on("POST /v1/media", Reply(202, {"media": MEDIUM, "job": JOB, "upload": None}))
    api.on("GET /v1/media", Reply(200, {"items": [MEDIUM]}))
    url = "https://example.org/debian.ISO"
    assert command("media", "import", "deb", "--url", url, "--sha256", SUM.upper(), "--protect").exit_code == 0
    (asked,) = api.of("POST /v1/media")
    assert asked.body == {"name": "deb", "url": url, "sha256": SUM, "os": "", "protect": True, "kind": "iso"}
    outcome = command("media", "import", "deb", "--url", url, "--sha256", SUM, "--async")
    assert outcome.output == "j1\n"


@pytest.mark.usefixtures("signed_in", "followed")
def test_media_are_listed_shown_protected_and_deleted(api: CannedApi, command: Inn) -> None:
    collected = {**MEDIUM, "state": "collected", "collected_at": "2026-01-31T12:00:00Z"}
    api.on("GET /v1/media", Reply(200, {"items": [collected]}))
    listed = command("media", "list").output
    assert "collected" in listed
    assert "25.0 KiB" in listed
    assert "2026-01-31T12:00:00" in command("media", "show", "deb").output
    api.on("PATCH /v1/media/m1", Reply(200, {**MEDIUM, "protect": True}))
    assert "protected  yes" in command("media", "protect", "deb").output
    assert api.of("PATCH /v1/media/m1")[0].body == {"protect": True}
    command("media", "protect", "deb", "--off")
    assert api.of("PATCH /v1/media/m1")[1].body == {"protect": False}
    api.on("DELETE /v1/media/m1", Reply(204, ""))
    assert command("media", "delete", "deb").exit_code == 2
    assert api.of("DELETE /v1/media/m1") == []
    assert command("media", "delete", "deb", "--yes").exit_code == 0


@pytest.mark.usefixtures("signed_in", "followed")
def test_reimport_brings_back_what_has_a_url_and_says_what_to_do_with_an_upload(api: CannedApi, command: Inn) -> None:
    api.on("GET /v1/media", Reply(200, {"items": [MEDIUM]}))
    api.on("POST /v1/media/m1/import", Reply(202, {"media": MEDIUM, "job": JOB, "upload": None}))
    assert command("media", "reimport", "deb").exit_code == 0
    api.on("POST /v1/media/m1/import", Reply(201, {"media": MEDIUM, "job": None, "upload": {"offset": 0}}))
    outcome = command("media", "reimport", "deb")
    assert outcome.exit_code == 2
    assert "inn media upload deb FILE" in outcome.output
