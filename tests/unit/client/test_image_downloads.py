# SPDX-License-Identifier: Apache-2.0
"""Images built and downloaded by the client and by `inn`: resumed where they broke off, and checked once here."""

import hashlib
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from innkeeper.cli.transfer import shown
from innkeeper.client import Client
from innkeeper.downloading import Download
from innkeeper.errors import NotTheContract, Unreachable
from tests.support.canned_api import Asked, CannedApi, Reply, problem

ISO = bytes(32769) + b"CD001" + bytes(range(256)) * 512
IMAGE_ID = "01a1fd99-cc37-7151-8852-1b9951c6153e"
ONE, CONTENT = f"/v1/images/{IMAGE_ID}", f"/v1/images/{IMAGE_ID}/content"
Inn = Callable[..., Result]


def image(**more: Any) -> dict[str, Any]:
    return {
        "id": IMAGE_ID, "name": "web-1", "os": "debian-12-image", "state": "built", "macs": ["52:54:00:00:00:01"],
        "size": len(ISO), "sha256": hashlib.sha256(ISO).hexdigest(), "url": f"http://elsewhere:1{CONTENT}?t=signed",
        "expires_at": "2026-01-31T12:00:00.000000Z", **more,
    }  # fmt: skip


class Shelf:
    """Serves an image's bytes by ranges; each answer breaks off after so many bytes as it is told."""

    def __init__(self, api: CannedApi, content: bytes = ISO, **more: Any):
        self.breaks: list[int] = []
        self._content = content
        api.on(f"GET {ONE}", Reply(200, image(**more)))
        api.on(f"GET {CONTENT}", self.answer)

    def answer(self, asked: Asked) -> Reply:
        if asked.query.get("t") != "signed":
            return problem(403, "forbidden", "this URL needs a token")
        found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        start = int(found[1]) if found and asked.headers.get("if-range") == f'"{IMAGE_ID}.{len(ISO)}"' else 0
        rest = self._content[start:]
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(rest))}
        length = self.breaks.pop(0) if self.breaks else len(rest)
        return Reply(206 if start else 200, rest[:length], headers)


def fetched(client: Client, target: Path, told: list[tuple[int, int]] | None = None) -> None:
    seen = told if told is not None else []
    wanted = Download(client.images._transport, lambda: client.images.get(IMAGE_ID), pause_s=0.01)
    wanted.into(target, lambda here, total: seen.append((here, total)))


def test_an_image_comes_whole_and_leaves_nothing_beside_it(api: CannedApi, client: Client, tmp_path: Path) -> None:
    Shelf(api)
    told: list[tuple[int, int]] = []
    fetched(client, tmp_path / "web-1.iso", told)
    assert (tmp_path / "web-1.iso").read_bytes() == ISO
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["web-1.iso"]
    assert told[-1] == (len(ISO), len(ISO))
    assert "authorization" not in api.of(f"GET {CONTENT}")[0].headers  # the URL is enough


def test_a_download_goes_on_where_it_broke_off(api: CannedApi, client: Client, tmp_path: Path) -> None:
    shelf = Shelf(api)
    shelf.breaks = [50_000, 1000]
    fetched(client, tmp_path / "web-1.iso")
    assert (tmp_path / "web-1.iso").read_bytes() == ISO
    asked = [a.headers.get("range", "") for a in api.of(f"GET {CONTENT}")]
    assert asked == ["", "bytes=50000-", "bytes=51000-"]


def test_a_later_try_uses_what_an_earlier_one_left(api: CannedApi, client: Client, tmp_path: Path) -> None:
    Shelf(api)
    (tmp_path / f".web-1.iso.{IMAGE_ID}.part").write_bytes(ISO[:40_000])
    fetched(client, tmp_path / "web-1.iso")
    assert (tmp_path / "web-1.iso").read_bytes() == ISO
    assert api.of(f"GET {CONTENT}")[0].headers["range"] == "bytes=40000-"


def test_where_nothing_comes_again_and_again_it_gives_up_and_keeps_what_is_here(
    api: CannedApi, client: Client, tmp_path: Path
) -> None:
    shelf = Shelf(api)
    shelf.breaks = [50_000] + [0] * 50
    with pytest.raises(Unreachable):
        fetched(client, tmp_path / "web-1.iso")
    assert not (tmp_path / "web-1.iso").exists()
    assert (tmp_path / f".web-1.iso.{IMAGE_ID}.part").stat().st_size == 50_000


@pytest.mark.parametrize(
    "content, more, words",
    [
        (ISO[:-1] + b"!", {}, "sha256"),
        (bytes(len(ISO)), {"sha256": ""}, "no ISO"),
        (ISO, {"size": len(ISO) - 10}, "bytes came"),
    ],
)
def test_what_is_not_the_image_is_refused_and_thrown_away(
    api: CannedApi, client: Client, tmp_path: Path, content: bytes, more: dict[str, Any], words: str
) -> None:
    Shelf(api, content, **more)
    with pytest.raises(NotTheContract, match=words):
        fetched(client, tmp_path / "web-1.iso")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_inn_builds_and_says_what_it_is_and_how_to_have_it(signed_in: Path, api: CannedApi, command: Inn) -> None:
    api.on("POST /v1/images", Reply(201, image()))
    outcome = command("image", "build", "web-1", "--os", "debian-12-image", "--flavor", "small")
    assert outcome.exit_code == 0, outcome.output
    assert f"inn image download {IMAGE_ID}" in outcome.stderr
    for words in (IMAGE_ID, "52:54:00:00:00:01", "160.0 KiB", "http://elsewhere:1/"):
        assert words in outcome.stdout
    body = api.of("POST /v1/images")[0].body
    assert (body["name"], body["os"], body["networks"]) == ("web-1", "debian-12-image", [{"network": "default"}])


def test_inn_builds_into_a_file(signed_in: Path, api: CannedApi, command: Inn, tmp_path: Path) -> None:
    Shelf(api)
    api.on("POST /v1/images", Reply(201, image()))
    target = tmp_path / "here.iso"
    outcome = command("image", "build", "web-1", "--os", "mini", "--flavor", "tiny", "-o", str(target))
    assert outcome.exit_code == 0, outcome.output
    assert target.read_bytes() == ISO
    assert outcome.stdout.strip() == str(target)
    assert "here.iso: 100% of 160.0 KiB" in outcome.stderr


class Terminal(StringIO):
    """A terminal that remembers what was drawn."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_and_elsewhere_a_line_a_tenth() -> None:
    drawn, written = Terminal(), StringIO()
    for out in (drawn, written):
        with shown("web-1.iso", out) as tell:
            for here in range(0, 10241, 64):
                tell(here, 10240)
    assert "\x1b" in drawn.getvalue()
    assert "web-1.iso" in drawn.getvalue()
    lines = written.getvalue().splitlines()
    assert lines[0] == "web-1.iso: 0% of 10.0 KiB"
    assert len(lines) == 11
    assert lines[-1] == "web-1.iso: 100% of 10.0 KiB"


def test_inn_downloads_to_the_images_name(
    signed_in: Path, api: CannedApi, command: Inn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shelf(api)
    monkeypatch.chdir(tmp_path)
    assert command("image", "download", IMAGE_ID).exit_code == 0
    assert (tmp_path / "web-1.iso").read_bytes() == ISO


def test_inn_says_where_a_file_cant_be_written(signed_in: Path, api: CannedApi, command: Inn, tmp_path: Path) -> None:
    Shelf(api)
    outcome = command("image", "download", IMAGE_ID, "-o", str(tmp_path / "no" / "where.iso"))
    assert outcome.exit_code == 1
    assert "can't be written" in outcome.stderr


def test_inn_lists_shows_and_deletes(signed_in: Path, api: CannedApi, command: Inn) -> None:
    api.on(f"GET {ONE}", Reply(200, image()))
    api.on("GET /v1/images", Reply(200, {"items": [image()], "next": None}))
    api.on(f"DELETE {ONE}", Reply(204, ""))
    assert "160.0 KiB" in command("image", "list").stdout
    assert "t=signed" in command("image", "show", IMAGE_ID).stdout
    assert json.loads(command("image", "show", IMAGE_ID, "-o", "json").stdout)["id"] == IMAGE_ID
    assert command("image", "delete", IMAGE_ID).stdout == f"{IMAGE_ID} deleted\n"
    assert len(api.of(f"DELETE {ONE}")) == 1
