# SPDX-License-Identifier: Apache-2.0
"""Bad media and bad servers, by the real importer: a clear failure each, and nothing left of it."""

import bz2
import lzma
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from services.common.contracts.errors import InnkeeperError
from services.common.contracts.states import MediaState
from services.imagebuilder.media.pace import Pace
from services.imagebuilder.media.uploads import Piece
from tests.support.bootable import make_medium, xorriso
from tests.support.imaging import MEDIA_ID
from tests.support.importing import QUICK, RAW, Desk, changed, sum_of
from tests.support.missing import missing
from tests.support.vendor import Faults, vendor

_MAGIC = b"QFI\xfb"
GIB = 1 << 30


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("medium")
    make_medium(folder / "medium.iso", 100_000, folder)
    return (folder / "medium.iso").read_bytes()


@pytest.fixture(scope="module")
def mute_iso(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An ISO that boots nothing."""
    folder = tmp_path_factory.mktemp("mute")
    (folder / "tree").mkdir()
    (folder / "tree" / "readme").write_text("music")
    xorriso("-as", "mkisofs", "-quiet", "-R", "-o", str(folder / "mute.iso"), str(folder / "tree"))
    return (folder / "mute.iso").read_bytes()


@pytest.fixture(scope="module")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("qcow2")
    if shutil.which("qemu-img") is None:
        missing("qemu-img; install: apt-get install qemu-utils")
    (folder / "disk").write_bytes(RAW)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(folder / "disk"), str(folder / "disk.qcow2")]
    subprocess.run(command, check=True)
    return (folder / "disk.qcow2").read_bytes()


def damaged_catalog(iso: bytes) -> bytes:
    """The ISO, its El Torito catalog overwritten."""
    at = struct.unpack_from("<I", iso, 17 * 2048 + 71)[0] * 2048
    return iso[:at] + b"?" * 64 + iso[at + 64 :]


def with_backing(qcow2: bytes) -> bytes:
    """The qcow2, standing on a file of the host."""
    return qcow2[:8] + struct.pack(">QI", 512, 11) + qcow2[20:512] + b"/etc/passwd" + qcow2[523:]


# What the medium is, the kind it is said to be, and why it is refused.
CONTENTS: dict[str, tuple[Callable[..., bytes], str, str]] = {
    "nothing": (lambda **_: b"", "cloud-image", "neither qcow2 nor a raw disk"),
    "a page": (lambda **_: b"<!DOCTYPE html>" * 99, "cloud-image", "it is HTML"),
    "an archive": (lambda **_: b"\x1f\x8b" * 999, "cloud-image", r"it is packed \(gzip\); unpack it"),
    "a packed image": (lambda qcow2, **_: lzma.compress(qcow2), "cloud-image", r"it is packed \(xz\); unpack it"),
    "one by bzip2": (lambda qcow2, **_: bz2.compress(qcow2), "cloud-image", r"it is packed \(bzip2\); unpack it"),
    "no ISO": (lambda **_: b"music" * 9999, "iso", "can't be used"),
    "a disk called ISO": (lambda **_: RAW, "iso", "is called 'iso' and is raw"),
    "an ISO called disk": (lambda iso, **_: iso, "cloud-image", "is called 'cloud-image' and is iso"),
    "an ISO cut off": (lambda iso, **_: iso[: len(iso) // 2], "iso", "cut off: it has"),
    "no El Torito": (lambda mute_iso, **_: mute_iso, "iso", "no El Torito record"),
    "El Torito damaged": (lambda iso, **_: damaged_catalog(iso), "iso", "catalog is damaged"),
    "a qcow2 on a file": (lambda qcow2, **_: with_backing(qcow2), "cloud-image", "has a backing file"),
    "a qcow2 cut off": (lambda qcow2, **_: qcow2[: len(qcow2) // 2], "cloud-image", "the qcow2 is cut off"),
    "a qcow2's head": (lambda qcow2, **_: qcow2[:80], "cloud-image", "shorter than its own header"),
}


@pytest.mark.parametrize("what", CONTENTS)
@pytest.mark.parametrize("way", ["by URL", "uploaded"])
def test_a_medium_that_is_something_else_is_refused(
    tmp_path: Path, iso: bytes, mute_iso: bytes, qcow2: bytes, what: str, way: str
) -> None:
    make, kind, reason = CONTENTS[what]
    content = make(iso=iso, mute_iso=mute_iso, qcow2=qcow2)
    desk = Desk(tmp_path)
    with vendor(content) as server:
        if way == "by URL":
            desk.offer(content, server.url, kind=kind)
        else:
            sent(desk, content, kind=kind)
        refused(desk, reason)


# What is wrong with the server, and what the user is told.
SERVERS: dict[str, tuple[Faults, str]] = {
    "hangs": (Faults(hangs=True), "can't be reached.*nothing came for too long"),
    "hangs in the middle": (
        Faults(hangs_after=1000),
        r"broke off after \d+ bytes: timed out.*nothing came",
    ),
    "drips": (Faults(drips=True), "the server is too slow.*nothing came for too long"),
    "drips headers": (
        Faults(drips_headers=True),
        "can't be reached: no whole answer in 0.3 s; nothing came",
    ),
    "redirects to a private address": (Faults(redirect="http://10.0.0.1/x"), r"10\.0\.0\.1.*not a public address"),
    "redirects for ever": (Faults(redirect="/medium"), "more than 5 redirects"),
    "redirects to a file": (Faults(redirect="file:///etc/passwd"), "over http and https, not file"),
    "says more than it has": (Faults(lie=5000, ranges=False), "broke off after .* bytes.*nothing came"),
    "says less than it has": (Faults(lie=-5000), "wrong checksum"),
    "dies at the same place": (Faults(dies_after=200_000, ranges=False), "nothing came for too long"),
    "has nothing": (Faults(status=404), "answered 404"),
    "is overloaded for ever": (Faults(status=503), "answered 503; nothing came for too long"),
}


@pytest.mark.parametrize("what", SERVERS)
def test_a_server_that_does_not_serve_fails_the_import(tmp_path: Path, what: str) -> None:
    faults, reason = SERVERS[what]
    # Who answers has time to: a busy machine isn't the fault that is looked for.
    slow = "nothing came" in reason
    desk = Desk(tmp_path, QUICK if slow else changed(QUICK, pace=Pace()))
    with vendor(RAW, faults) as server:
        desk.offer(RAW, server.url)
        refused(desk, reason)


def test_a_server_that_is_away_fails_the_import(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.offer(RAW, "http://127.0.0.1:9/medium")
    refused(desk, "can't be reached.*nothing came for too long")


def test_a_wrong_sum_names_both(tmp_path: Path) -> None:
    for way in ("by URL", "uploaded"):
        (tmp_path / way).mkdir()
        desk = Desk(tmp_path / way)
        with vendor(RAW) as server:
            if way == "by URL":
                desk.offer(RAW, server.url, sha256="0" * 64)
            else:
                sent(desk, RAW, sha256="0" * 64)
            refused(desk, f"expected sha256 {'0' * 64}, got {sum_of(RAW)}")


@pytest.mark.parametrize("lengthless", [False, True], ids=["length told", "length not told"])
def test_a_medium_larger_than_allowed_is_refused(tmp_path: Path, lengthless: bool) -> None:
    desk = Desk(tmp_path, changed(QUICK, max_bytes=100_000))
    with vendor(RAW, Faults(lengthless=lengthless)) as server:
        desk.offer(RAW, server.url)
        refused(desk, "too large.*INNKEEPER_MEDIA_MAX_GIB")


@pytest.mark.parametrize("lengthless", [False, True], ids=["length told", "length not told"])
def test_a_medium_larger_than_the_quota_is_refused(tmp_path: Path, lengthless: bool) -> None:
    desk = Desk(tmp_path)
    desk.quota(100_000 / GIB)
    with vendor(RAW, Faults(lengthless=lengthless)) as server:
        desk.offer(RAW, server.url)
        error = refused(desk, "quota media_gib: 0.00 of .* GiB are used")
    assert error.code == "quota-exceeded"


def test_an_upload_larger_than_the_quota_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.quota(100_000 / GIB)
    sent(desk, RAW)
    refused(desk, "quota media_gib")


def test_an_upload_of_which_a_piece_is_missing_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sent(desk, RAW[:1000], size=len(RAW), sha256=sum_of(RAW))
    refused(desk, f"has 1000 bytes of {len(RAW)}")


def test_a_server_that_dies_in_the_middle_is_resumed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with vendor(RAW, Faults(dies_after=250_000)) as server:
        desk.offer(RAW, server.url)
        assert desk.run() is None
        assert server.asked == ["", "bytes=250000-", "bytes=500000-"]
    assert desk.left() == [f"media/{sum_of(RAW)}"]
    assert (desk.medium().state, desk.medium().size) == (MediaState.AVAILABLE, len(RAW))


def test_a_server_that_says_more_than_it_has_serves_when_the_sum_is_right(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with vendor(RAW, Faults(lie=5000)) as server:
        desk.offer(RAW, server.url)
        assert desk.run() is None


def test_a_download_that_was_whole_when_the_builder_died_is_not_asked_for_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    part = desk.places.media(f"{sum_of(RAW)}.{MEDIA_ID}.checked.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(RAW)
    with vendor(RAW) as server:
        desk.offer(RAW, server.url)
        assert desk.run() is None
        assert server.asked == [f"bytes={len(RAW)}-"]
    assert desk.places.media(sum_of(RAW)).read_bytes() == RAW


def test_a_bootable_iso_and_a_whole_qcow2_are_taken(tmp_path: Path, iso: bytes, qcow2: bytes) -> None:
    for name, kind, content in (("a", "iso", iso), ("b", "cloud-image", qcow2)):
        (tmp_path / name).mkdir()
        desk = Desk(tmp_path / name)
        with vendor(content) as server:
            desk.offer(content, server.url, kind=kind)
            assert desk.run() is None
        assert desk.medium().state == MediaState.AVAILABLE


def test_a_failed_import_can_be_tried_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with vendor(RAW, Faults(status=404)) as server:
        desk.offer(RAW, server.url)
        refused(desk, "404")
        server.faults = Faults()
        assert desk.run() is None
    assert (desk.medium().state, desk.medium().error) == (MediaState.AVAILABLE, "")


def sent(desk: Desk, content: bytes, size: int | None = None, **changes: Any) -> None:
    """Upload a medium, whole."""
    whole = len(content) if size is None else size
    media_id = desk.offer(content, "", size=whole, **changes)
    desk.uploads.receive(Piece(media_id, whole, 0, len(content)), BytesIO(content))


def refused(desk: Desk, reason: str) -> InnkeeperError:
    """The import fails for that reason, the medium says so, and no file is left."""
    error = desk.run()
    assert error is not None
    assert re.search(reason, error.detail), error.detail
    medium = desk.medium()
    assert (medium.state, medium.error) == (MediaState.FAILED, error.detail)
    assert desk.left() == []
    return error
