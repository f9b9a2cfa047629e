# SPDX-License-Identifier: Apache-2.0
"""Importing media from a server on loopback: good and bad sums, broken and resumed downloads, forbidden addresses."""

import hashlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from services.common.contracts.errors import ImageFailed, TryAgain
from services.imagebuilder.media.fetch import Fetcher, Source
from services.imagebuilder.media.guard import Rules, RulesError, check
from services.imagebuilder.media.inspect import qcow2_size, shape_of
from tests.support.imaging import Told

BODY = bytes(range(256)) * 20_000
SUM = hashlib.sha256(BODY).hexdigest()


@dataclass
class Vendor:
    """A vendor's server: serves BODY at /image, with faults a test switches on."""

    url: str = ""
    cut_after: int = 0  # bytes, then the connection ends
    ranges: bool = True
    redirect: str = ""
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    state = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.seen.append(f"{self.path} {self.headers['Host']} {wanted}".strip())
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.end_headers()
                return
            if self.path != "/image":
                self.send_error(404 if self.path == "/missing" else 503)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
            self.send_header("Content-Length", str(len(BODY) - start))
            self.end_headers()
            end = start + state.cut_after if state.cut_after else len(BODY)
            self.wfile.write(BODY[start:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that hang up are what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


LOOPBACK = Rules(allowed=(Rules.from_env({"INNKEEPER_MEDIA_ALLOW_PRIVATE": "127.0.0.0/8"}).allowed[0],))


def fetch(vendor: Vendor, folder: Path, path: str = "/image", sha256: str = SUM, rules: Rules = LOOPBACK) -> Told:
    told = Told()
    Fetcher(rules).fetch(Source(vendor.url + path, sha256), folder / "medium", told)
    return told


def test_a_medium_is_fetched_with_progress_and_its_sum_checked(vendor: Vendor, tmp_path: Path) -> None:
    told = fetch(vendor, tmp_path)
    assert (tmp_path / "medium").read_bytes() == BODY
    assert told[-1][0] == 100
    assert [p.name for p in tmp_path.iterdir()] == ["medium"]


def test_a_wrong_sum_names_both_and_leaves_nothing(vendor: Vendor, tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match=f"expected sha256 {'0' * 64}, got {SUM}"):
        fetch(vendor, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_broke_off_goes_on_where_it_was(vendor: Vendor, tmp_path: Path) -> None:
    vendor.cut_after = 1_000_000
    with pytest.raises(TryAgain):
        fetch(vendor, tmp_path)
    assert not (tmp_path / "medium").exists()
    vendor.cut_after = 0
    fetch(vendor, tmp_path)
    assert (tmp_path / "medium").read_bytes() == BODY
    assert vendor.seen[-1].endswith("bytes=1000000-")


def test_a_server_without_ranges_is_read_from_the_beginning_again(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "medium.part").write_bytes(b"half of something else")
    vendor.ranges = False
    fetch(vendor, tmp_path)
    assert (tmp_path / "medium").read_bytes() == BODY


def test_a_part_of_something_else_is_found_out_and_dropped(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "medium.part").write_bytes(b"?" * 1000)
    with pytest.raises(ImageFailed, match="wrong checksum"):
        fetch(vendor, tmp_path)
    fetch(vendor, tmp_path)
    assert (tmp_path / "medium").read_bytes() == BODY


def test_a_redirect_is_followed_with_the_right_host(vendor: Vendor, tmp_path: Path) -> None:
    vendor.redirect = "/image"
    fetch(vendor, tmp_path, "/redirect")
    assert vendor.seen == [f"{path} {vendor.url.removeprefix('http://')}" for path in ("/redirect", "/image")]


def test_a_redirect_to_a_private_address_is_refused(vendor: Vendor, tmp_path: Path) -> None:
    vendor.redirect = "http://10.0.0.1/image"
    with pytest.raises(ImageFailed, match=r"10\.0\.0\.1.*not a public address"):
        fetch(vendor, tmp_path, "/redirect")


def test_redirects_come_to_an_end(vendor: Vendor, tmp_path: Path) -> None:
    vendor.redirect = "/redirect"
    with pytest.raises(ImageFailed, match="more than 5 redirects"):
        fetch(vendor, tmp_path, "/redirect")


def test_what_is_not_there_fails_and_what_is_overloaded_is_tried_again(vendor: Vendor, tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="404"):
        fetch(vendor, tmp_path, "/missing")
    with pytest.raises(TryAgain, match="503"):
        fetch(vendor, tmp_path, "/busy")


def test_a_medium_over_the_limit_is_refused_before_it_comes(vendor: Vendor, tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="too large"):
        fetch(vendor, tmp_path, rules=Rules(allow_all=True, max_bytes=1000))
    assert list(tmp_path.iterdir()) == []


FORBIDDEN = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_private_addresses_are_refused_whatever_they_are_called(address: str) -> None:
    with pytest.raises(ImageFailed, match="not a public address"):
        check("https://images.example.org/x", Rules(), lambda host, port: ["93.184.216.34", address])


@pytest.mark.parametrize("url", ["http://127.1/x", "http://2130706433/x", "http://0x7f000001/", "http://localhost/x"])
def test_other_spellings_of_loopback_are_refused(url: str) -> None:
    with pytest.raises(ImageFailed, match="not a public address"):
        check(url, Rules())


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "/etc/passwd", "http://", "http://u:p@h/x", "http://h:99999/"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ImageFailed):
        check(url, Rules(), lambda host, port: ["93.184.216.34"])


def test_a_url_is_opened_on_the_address_that_was_checked() -> None:
    target = check("https://images.example.org:8443/x?y=1", Rules(), lambda host, port: ["93.184.216.34"])
    assert target.url == "https://93.184.216.34:8443/x?y=1"
    assert (target.host, target.name) == ("images.example.org:8443", "images.example.org")


def test_the_operator_can_allow_private_ranges() -> None:
    rules = Rules.from_env({"INNKEEPER_MEDIA_ALLOW_PRIVATE": "10.0.0.0/8, fd00::/8"})
    assert rules.allows(ip_address("10.9.9.9"))
    assert rules.allows(ip_address("fd00::1"))
    assert not rules.allows(ip_address("192.168.0.1"))
    with pytest.raises(RulesError, match=r"ALLOW_PRIVATE.*MAX_GIB"):
        Rules.from_env({"INNKEEPER_MEDIA_ALLOW_PRIVATE": "ten", "INNKEEPER_MEDIA_MAX_GIB": "much"})


def a_qcow2(backing: int = 0, features: int = 0, encrypted: int = 0, version: int = 3) -> bytes:
    head = struct.pack(">4sIQIIQI", b"QFI\xfb", version, backing, 4 if backing else 0, 16, 5 << 30, encrypted)
    return head.ljust(72, b"\0") + struct.pack(">Q", features) + bytes(432)


@pytest.mark.parametrize(
    "header, reason",
    [
        (a_qcow2(backing=512), "backing file"),
        (a_qcow2(features=4), "another file"),
        (a_qcow2(features=2), "features"),
        (a_qcow2(features=1 << 40), "features"),
        (a_qcow2(encrypted=1), "encrypted"),
        (a_qcow2(version=9), "version 9"),
        (b"QFI\xfb", "shorter"),
    ],
)
def test_a_qcow2_that_reads_other_files_or_cant_be_read_is_refused(header: bytes, reason: str) -> None:
    with pytest.raises(ImageFailed, match=reason):
        qcow2_size(header)


@pytest.mark.parametrize(
    "content, kind, expected",
    [
        (a_qcow2(), "cloud-image", ("qcow2", 5 << 30)),
        (bytes(510) + b"\x55\xaa" + bytes(512), "cloud-image", ("raw", 1024)),
        (bytes(32769) + b"CD001" + bytes(100), "iso", ("iso", 32874)),
        (bytes(32769) + b"CD001" + bytes(100), "cloud-image", None),
        (a_qcow2(), "iso", None),
        (b"KDMV" + bytes(600), "cloud-image", None),
        (b"<html>login first</html>", "cloud-image", None),
        (b"", "cloud-image", None),
    ],
)
def test_a_medium_is_what_its_bytes_say(
    tmp_path: Path, content: bytes, kind: str, expected: tuple[str, int] | None
) -> None:
    path = tmp_path / "medium"
    path.write_bytes(content)
    if expected is None:
        with pytest.raises(ImageFailed):
            shape_of(path, kind)
    else:
        shape = shape_of(path, kind)
        assert (shape.format, shape.virtual_size) == expected
