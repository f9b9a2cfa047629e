# SPDX-License-Identifier: Apache-2.0
"""The artifact server: signed paths only, ranges, and nothing outside its folders."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.common.runtime.keys import Keys
from services.common.runtime.signing import sign_url
from services.imagebuilder.places import Places
from services.imagebuilder.server import ArtifactServer
from tests.support.imaging import VM_ID, new_keys
from tests.support.waiting import until

SHA = "ab" * 32
CONTENT = bytes(range(256)) * 4


class Site:
    """A running server over a folder with one master, one medium and one vm's seed."""

    def __init__(self, folder: Path):
        self.keys: Keys = new_keys(folder)
        for path in (
            f"masters/{SHA}",
            f"media/{'cd' * 32}",
            f"images/{VM_ID}/seed.iso",
            f"images/{VM_ID}/.hidden",
            f"images/{VM_ID}/a/b",
            "secret",
            "masters/index/x.json",
        ):
            (folder / "state" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "state" / path).write_bytes(CONTENT)
        self.places = Places(folder / "state", "http://x")
        self.server = ArtifactServer("127.0.0.1:0", self.places, self.keys.command_public_pem)
        self.server.start()
        self.base = f"http://127.0.0.1:{self.server.port}"
        self.client = httpx.Client(trust_env=False)

    def get(self, path: str, signed: bool = True, method: str = "GET", **headers: str) -> httpx.Response:
        url = self.base + path
        return self.client.request(
            method, sign_url(url, self.keys.command_private_pem) if signed else url, headers=headers
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.client.close()
    made.server.close()


@pytest.mark.parametrize("path", [f"/artifacts/{SHA}", f"/artifacts/{'cd' * 32}", f"/images/{VM_ID}/seed.iso"])
def test_a_signed_url_opens_its_file(site: Site, path: str) -> None:
    answer = site.get(path)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    head = site.get(path, method="HEAD")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(CONTENT)), b"")


def test_without_a_token_for_this_path_nothing_is_said_of_the_file(site: Site) -> None:
    other = sign_url(f"{site.base}/artifacts/{'cd' * 32}", site.keys.command_private_pem).partition("?")[2]
    expired = sign_url(f"{site.base}/artifacts/{SHA}", site.keys.command_private_pem, ttl_s=-3600).partition("?")[2]
    for query in ("", "t=", "t=x.y.z", other, expired):
        answer = site.client.get(f"{site.base}/artifacts/{SHA}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "header, status, content",
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=1000-", 206, CONTENT[1000:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=1020-9999", 206, CONTENT[1020:]),
        ("bytes=0-", 200, CONTENT),
        ("lines=1-2", 200, CONTENT),
        ("bytes=1024-", 416, None),
        ("bytes=9-3", 416, None),
    ],
)
def test_ranges(site: Site, header: str, status: int, content: bytes | None) -> None:
    answer = site.get(f"/artifacts/{SHA}", Range=header)
    assert answer.status_code == status
    if content is not None:
        assert answer.content == content
    if status == 206:
        assert answer.headers["content-range"].endswith("/1024")


@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/index",
        "/artifacts/" + "0" * 64,
        "/artifacts/..%2f..%2fsecret",
        "/images/../secret",
        f"/images/{VM_ID}/..",
        f"/images/{VM_ID}/.hidden",
        f"/images/{VM_ID}/a/b",
        "/images//seed.iso",
        "//secret",
        "/secret",
        "/",
    ],
)
def test_nothing_but_ids_is_looked_up(site: Site, path: str) -> None:
    assert site.places.find(path) is None
    assert site.get(path).status_code in (403, 404)


def test_health_needs_no_token(site: Site) -> None:
    assert site.get("/healthz", signed=False).json() == {"status": "ok"}


def test_a_connection_serves_many_requests(site: Site) -> None:
    for _ in range(3):
        assert site.get(f"/artifacts/{SHA}", Range="bytes=0-0").content == CONTENT[:1]


def test_a_server_that_ends_says_so_and_finishes_what_it_sends(tmp_path: Path) -> None:
    keys, places, ending = new_keys(tmp_path), Places(tmp_path / "state", "http://x"), threading.Event()
    (tmp_path / "state/masters").mkdir(parents=True)
    (tmp_path / "state/masters" / SHA).write_bytes(CONTENT * 32_768)
    server = ArtifactServer("127.0.0.1:0", places, keys.command_public_pem, ending=ending.is_set).start()
    base = f"http://127.0.0.1:{server.port}"
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{base}/readyz").json() == {"status": "ok"}
        with client.stream("GET", sign_url(f"{base}/artifacts/{SHA}", keys.command_private_pem)) as answer:
            ending.set()
            told = httpx.get(f"{base}/readyz", trust_env=False)
            assert (told.status_code, told.json(), told.headers["connection"]) == (503, {"status": "draining"}, "close")
            closing = threading.Thread(target=server.close, args=(20,))
            closing.start()
            until(lambda: refused(base), 5, "no new connection is taken")
            assert sum(map(len, answer.iter_bytes())) == len(CONTENT) * 32_768
        closing.join(5)
        assert not closing.is_alive()


def refused(base: str) -> bool:
    try:
        httpx.get(f"{base}/healthz", trust_env=False)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it waited to be accepted, and ended with the listener
        return False
    return False
