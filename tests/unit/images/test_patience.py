# SPDX-License-Identifier: Apache-2.0
"""Building images outlasts an index that breaks off, or refuses for a while; and says what each attempt came to."""

import hashlib
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy.images import install, patience
from deploy.images.locked import Locked, Wish

_WHEEL = "guest-1.0-py3-none-any.whl"
_METADATA = "Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n"
_TAGS = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_INFO = {"METADATA": _METADATA, "WHEEL": _TAGS, "RECORD": ""}


class Index(ThreadingHTTPServer):
    """Serves one wheel; the first GETs of it go wrong as `mishaps` says."""

    def __init__(self, wheel: bytes, mishaps: list[str]):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.wheel = wheel
        self.mishaps = mishaps
        self.url = f"http://127.0.0.1:{self.server_address[1]}/simple"


class _Answers(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            return self._send(200, f'<a href="/{_WHEEL}">{_WHEEL}</a>'.encode(), "text/html")
        mishap = self.server.mishaps.pop(0) if self.server.mishaps else ""
        if mishap.isdigit():
            return self._send(int(mishap), b"later", "text/plain")
        return self._send(200, self.server.wheel, "application/zip", cut=mishap == "cut")

    def _send(self, status: int, body: bytes, kind: str, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(wheel: bytes, mishaps: list[str]) -> Iterator[str]:
    with Index(wheel, mishaps) as index:
        thread = Thread(target=index.serve_forever, daemon=True)
        thread.start()
        yield index.url
        index.shutdown()
        thread.join()


@pytest.fixture
def wheel(tmp_path: Path) -> bytes:
    path = tmp_path / _WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("guest.py", "x = 1\n" * 2000)
        for name, text in _INFO.items():
            archive.writestr(f"guest-1.0.dist-info/{name}", text)
    return path.read_bytes()


def asked(wheel: bytes, mishaps: list[str], site: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """pip's exit code, of an index on which nothing else is."""
    line = f"guest==1.0 --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"
    monkeypatch.setattr(install, "PIP", (sys.executable, *install.PIP[1:]))
    monkeypatch.setattr(install, "read", lambda _: [Locked("guest", "1.0", line, frozenset())])
    monkeypatch.setattr(patience, "PAUSES_S", (0.0, 0.0, 0.0))
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_CACHE_DIR", str(site.parent / "cache"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    with serving(wheel, mishaps) as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        return install.fetch(Wish(["base"]), [], site)


def test_a_download_that_broke_off_and_a_refusal_are_outlasted(
    wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    assert asked(wheel, ["cut", "429", "503"], site, monkeypatch) == 0
    assert (site / "guest.py").exists()
    told = capfd.readouterr()
    assert "429" in told.out + told.err, "pip's own words"
    assert [line[:14] for line in told.err.splitlines() if line.startswith("attempt")] == [
        f"attempt {n} of 4" for n in (1, 2, 3)
    ]


def test_an_index_that_refuses_for_good_is_told_to_the_build(
    wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert asked(wheel, ["429"] * 9, tmp_path / "site", monkeypatch) == 1
    assert "attempt 4 of 4 ended with exit code 1; that was the last" in capfd.readouterr().err


def test_pauses_grow(tmp_path: Path) -> None:
    paused: list[float] = []
    assert patience.insist([sys.executable, "-c", "raise SystemExit(3)"], paused.append) == 3
    assert paused == sorted(set(paused))
    assert len(paused) == 3


def test_what_succeeds_is_done_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert patience.insist([sys.executable, "-c", "print('once')"], lambda _: pytest.fail("nothing to wait for")) == 0
    assert capfd.readouterr() == ("once\n", "")


def test_what_the_build_runs_is_compiled_and_what_images_run_is_not_yet() -> None:
    tools = install.pip_command(Path("lines.txt"), [], None)
    image = install.pip_command(Path("lines.txt"), ["libvirt-python"], install.SITE)
    assert ("--no-compile" in tools, "--no-compile" in image) == (False, True)
    assert ("--target" in tools, "--target" in image) == (False, True)
    assert image[image.index("--no-binary") + 1] == "libvirt-python"
    assert "--require-hashes" in tools
    assert "--require-hashes" in image
