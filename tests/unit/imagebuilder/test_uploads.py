# SPDX-License-Identifier: Apache-2.0
"""Media that are sent: piece by piece, resumed where they broke off, summed while they come; over the real server."""

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from services.common.contracts.errors import Conflict, Invalid, TooLarge, TryAgain
from services.common.contracts.states import MediaState
from services.common.runtime.keys import Keys
from services.common.runtime.signing import sign_url
from services.imagebuilder.media.uploads import Piece, Uploads
from services.imagebuilder.server import ArtifactServer
from tests.support.imaging import MEDIA_ID, new_keys
from tests.support.importing import QUICK, RAW, Desk, pieces, sum_of
from tests.support.waiting import until

PATH = f"/uploads/{MEDIA_ID}/{len(RAW)}"


class Site:
    """A running artifact server, and somebody who may send it one medium."""

    def __init__(self, folder: Path):
        self.desk = Desk(folder)
        self.keys: Keys = new_keys(folder)
        desk = self.desk
        self.server = ArtifactServer("127.0.0.1:0", desk.places, self.keys.command_public_pem, desk.uploads).start()
        self.client = httpx.Client(trust_env=False)

    def url(self, path: str = PATH) -> str:
        return sign_url(f"http://127.0.0.1:{self.server.port}{path}", self.keys.command_private_pem)

    def put(self, start: int, content: bytes, path: str = PATH) -> httpx.Response:
        return self.client.put(self.url(path), content=content, headers={"Upload-Offset": str(start)})

    def offset(self) -> int:
        answer = self.client.head(self.url())
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.client.close()
    made.server.close()


def test_a_medium_sent_in_pieces_is_imported(site: Site) -> None:
    site.desk.offer(RAW, "", size=len(RAW))
    for start, piece in pieces(RAW, 300_000):
        assert site.offset() == start
        answer = site.put(start, piece)
        assert (answer.status_code, answer.json()["offset"]) == (200, start + len(piece))
    assert site.desk.run() is None
    assert site.desk.left() == [f"media/{sum_of(RAW)}"]
    assert site.desk.medium().state == MediaState.AVAILABLE


def test_a_piece_that_breaks_off_is_kept_and_gone_on_with(site: Site) -> None:
    def some() -> Iterator[bytes]:
        yield RAW[:200_000]
        raise httpx.WriteError("the cable was pulled")

    with pytest.raises(httpx.WriteError):
        site.client.put(site.url(), content=some(), headers={"Content-Length": str(len(RAW))})
    until(lambda: site.offset() == 200_000, 10, "what came is kept")
    assert site.put(200_000, RAW[200_000:]).json() == {"offset": len(RAW), "size": len(RAW)}
    assert site.desk.uploads.sum_of(MEDIA_ID) == sum_of(RAW)


def test_pieces_may_go_to_several_processes_in_turn_and_after_an_upload_that_was_dropped(site: Site) -> None:
    here, there = (Uploads(site.desk.places, QUICK.max_bytes) for _ in range(2))

    def send(to: Uploads, content: bytes, start: int, end: int) -> None:
        assert to.receive(Piece(MEDIA_ID, len(RAW), start, end - start), BytesIO(content[start:end])) == end

    send(here, b"x" * len(RAW), 0, 1000)
    there.drop(MEDIA_ID)
    send(there, RAW, 0, 1000)  # as long as what `here` remembers
    send(here, RAW, 1000, 2000)
    send(there, RAW, 2000, len(RAW))
    assert [to.sum_of(MEDIA_ID) for to in (here, there)] == [sum_of(RAW)] * 2


def test_a_piece_at_the_wrong_place_is_refused_with_the_right_one(site: Site) -> None:
    site.put(0, RAW[:1000])
    for start in (0, 999, 1001):
        answer = site.put(start, b"x")
        assert answer.status_code == 409
        assert "go on from 1000" in answer.json()["detail"]


def test_more_than_was_announced_is_refused(site: Site) -> None:
    assert site.put(0, RAW + b"x").status_code == 422
    assert site.offset() == 0


@pytest.mark.parametrize("path", ["/artifacts/" + "ab" * 32, "/uploads/x/5", "/healthz"])
def test_nothing_is_taken_in_elsewhere(site: Site, path: str) -> None:
    assert site.put(0, b"x", path).status_code == 404


def test_a_token_opens_one_medium_only(site: Site) -> None:
    other = site.url("/uploads/0193b5a0-0000-7000-8000-0000000000ef/5").partition("?")[2]
    for query in ("", other):
        answer = site.client.put(f"http://127.0.0.1:{site.server.port}{PATH}?{query}", content=b"x")
        assert answer.status_code == 403
    assert site.desk.left() == []


def test_a_medium_too_large_is_refused_before_it_comes(tmp_path: Path) -> None:
    places = Desk(tmp_path).places
    with pytest.raises(TooLarge, match="INNKEEPER_MEDIA_MAX_GIB"):
        Uploads(places, 1000).offset(MEDIA_ID, 1001)
    with pytest.raises(TryAgain, match="free"):
        Uploads(places, 1 << 62).offset(MEDIA_ID, 1 << 60)


def test_two_who_send_the_same_medium_at_once_do_not_mix(tmp_path: Path) -> None:
    uploads = Desk(tmp_path).uploads
    reading, go_on = threading.Event(), threading.Event()

    class Slow:
        def read(self, size: int, /) -> bytes:
            reading.set()
            go_on.wait(10)
            return b"x" * size

    first = threading.Thread(target=uploads.receive, args=(Piece(MEDIA_ID, 10, 0, 10), Slow()))
    first.start()
    assert reading.wait(10)
    with pytest.raises(TryAgain, match="another piece"):
        uploads.receive(Piece(MEDIA_ID, 10, 0, 10), BytesIO(b"y" * 10))
    go_on.set()
    first.join()
    assert uploads.offset(MEDIA_ID, 10) == 10
    with pytest.raises(Conflict):
        uploads.receive(Piece(MEDIA_ID, 10, 0, 10), BytesIO(b"y" * 10))
    with pytest.raises(Invalid):
        uploads.receive(Piece(MEDIA_ID, 10, 10, 1), BytesIO(b"y"))
