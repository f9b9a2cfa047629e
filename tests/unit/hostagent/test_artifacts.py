# SPDX-License-Identifier: Apache-2.0
"""Fetching over real HTTP: checked, whole or not at all, once for everybody."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts.commands import Artifact
from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.artifacts import Artifacts
from services.hostagent.drivers.vm_files import VmFiles
from tests.support.hypervisor import a_vm, artifact

DATA = b"an image " * 5000


@dataclass
class Shelf:
    """What the server answers, and what it was asked for."""

    url: str = ""
    status: int = 200
    body: bytes = DATA
    delay_s: float = 0.0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            time.sleep(shelf.delay_s)
            self.send_response(shelf.status)
            self.end_headers()
            self.wfile.write(shelf.body)

        def log_message(self, *_words: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}/images/one"
    yield shelf
    server.shutdown()
    server.server_close()
    thread.join()


Get = Callable[..., Path]


@pytest.fixture
def get(files: VmFiles) -> Iterator[Get]:
    artifacts = Artifacts(files)
    yield lambda wanted, vm=None: artifacts.resolve(vm or a_vm(), [wanted], lambda *_: None)[wanted.sha256]
    artifacts.close()


def wanted(shelf: Shelf, **changes: Any) -> Artifact:
    return replace(artifact(DATA, shelf.url, "raw", shared=True), **changes)


def leftovers(files: VmFiles) -> list[str]:
    return [path.name for path in files.root.rglob("*") if path.is_file()]


def test_a_shared_file_is_fetched_once_and_kept_by_its_content(shelf: Shelf, get: Get, files: VmFiles) -> None:
    for _ in range(3):
        path = get(wanted(shelf))
    assert path == files.masters / wanted(shelf).sha256
    assert path.read_bytes() == DATA
    assert len(shelf.asked) == 1


def test_a_vms_own_file_lies_in_its_directory_and_is_private(shelf: Shelf, get: Get, files: VmFiles) -> None:
    vm = a_vm()
    path = get(wanted(shelf, shared=False), vm)
    assert path.parent == files.vm(vm)
    assert path.stat().st_mode & 0o777 == 0o600


def test_many_who_want_the_same_wait_for_one_download(shelf: Shelf, get: Get) -> None:
    shelf.delay_s = 0.2
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: get(wanted(shelf)), range(8)))
    assert len(set(paths)) == 1
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"x", b"y" + DATA[1:], b""], ids=["short", "long", "other", "none"])
def test_what_is_not_the_declared_content_is_refused_and_not_kept(
    shelf: Shelf, get: Get, files: VmFiles, body: bytes
) -> None:
    shelf.body = body
    with pytest.raises(HostFailed, match="declared"):
        get(wanted(shelf))
    assert leftovers(files) == []


@pytest.mark.parametrize(("status", "error"), [(404, HostFailed), (403, TryAgain), (500, TryAgain), (302, HostFailed)])
def test_an_answer_that_is_no_file(shelf: Shelf, get: Get, files: VmFiles, status: int, error: type[Exception]) -> None:
    shelf.status = status
    with pytest.raises(error, match=str(status)):
        get(wanted(shelf))
    assert leftovers(files) == []


def test_a_server_that_is_away_is_worth_another_try_and_the_token_is_not_told(get: Get, shelf: Shelf) -> None:
    with pytest.raises(TryAgain) as caught:
        get(wanted(shelf, url="http://127.0.0.1:9/images/one?t=secret"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", ""])
def test_only_http_is_spoken(shelf: Shelf, get: Get, url: str) -> None:
    with pytest.raises(HostFailed, match="http"):
        get(wanted(shelf, url=url))


def test_a_sha256_that_is_a_path_is_refused(shelf: Shelf, get: Get) -> None:
    with pytest.raises(HostFailed, match="sha256"):
        get(wanted(shelf, sha256="../../../etc/cron.d/x"))
    assert shelf.asked == []


def test_half_a_download_of_a_killed_agent_is_fetched_anew(shelf: Shelf, get: Get, files: VmFiles) -> None:
    (files.masters / f".{wanted(shelf).sha256}.part").write_bytes(b"half")
    (files.masters / wanted(shelf).sha256).write_bytes(DATA[:10])  # cut short by a power failure
    assert get(wanted(shelf)).read_bytes() == DATA
