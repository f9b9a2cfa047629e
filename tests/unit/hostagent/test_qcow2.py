# SPDX-License-Identifier: Apache-2.0
"""Our qcow2 files, judged by qemu-img."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.common.formats.qcow2_header import Header, backing_of
from services.hostagent.drivers.libvirt.qcow2 import Base, check_overlay, read_base, write_qcow2
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.support.missing import missing

GIB = 1 << 30


def qemu_img(*words: str) -> str:
    program = shutil.which("qemu-img")
    if program is None:
        missing("qemu-img; install: apt-get install qemu-utils")
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(qemu_img("info", "--output=json", str(path)))
    return found


@pytest.mark.parametrize("size", [512, 65536, GIB, 20 * GIB, 4096 * GIB, 9000 * GIB])
def test_an_empty_disk_of_any_size_passes_the_check(tmp_path: Path, size: int) -> None:
    disk = tmp_path / "disk.qcow2"
    write_qcow2(disk, size)
    qemu_img("check", str(disk))
    found = info(disk)
    assert (found["virtual-size"], found["format"]) == (size, "qcow2")
    assert "backing-filename" not in found


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_an_overlay_shows_its_base_and_keeps_what_is_written(tmp_path: Path, format_: str) -> None:
    base = tmp_path / f"base.{format_}"
    qemu_img("create", "-q", "-f", format_, str(base), "8M")
    subprocess.run(["qemu-io", "-f", format_, "-c", "write -P 7 1M 64k", str(base)], check=True)
    overlay = tmp_path / "overlay.qcow2"
    write_qcow2(overlay, 16 << 20, read_base(base, format_))
    qemu_img("check", str(overlay))
    found = info(overlay)
    assert (found["backing-filename"], found["backing-filename-format"]) == (str(base), format_)
    read_write_read = ["-c", "read -P 7 1M 64k", "-c", "write -P 9 12M 64k", "-c", "read -P 9 12M 64k"]
    subprocess.run(["qemu-io", "-f", "qcow2", *read_write_read, str(overlay)], check=True)
    qemu_img("check", str(overlay))
    assert base.stat().st_size <= 16 << 20


def test_a_disk_smaller_than_its_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="smaller than its image"):
        write_qcow2(tmp_path / "disk", GIB, Base(tmp_path / "base", "raw", 2 * GIB))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, -512, 513])
def test_a_size_that_is_none_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="no size of a disk"):
        write_qcow2(tmp_path / "disk", size)


def test_a_base_that_points_at_another_file_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1 << 20))
    qemu_img("create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(tmp_path / "evil.qcow2"))
    with pytest.raises(ValueError, match="refers to another file"):
        read_base(tmp_path / "evil.qcow2", "qcow2")


def test_a_base_with_an_external_data_file_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path / 'data'}", str(evil), "1M")
    with pytest.raises(ValueError, match="refers to another file"):
        read_base(evil, "qcow2")


def test_what_is_no_qcow2_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="not a qcow2"):
        read_base(tmp_path / "text", "qcow2")


def test_an_old_version_2_image_is_a_good_base(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-o", "compat=0.10", str(tmp_path / "old.qcow2"), "1G")
    assert read_base(tmp_path / "old.qcow2", "qcow2").size == GIB


def test_a_killed_writer_leaves_no_disk(tmp_path: Path) -> None:
    # What is there under its final name is whole: it gets that name last.
    write_qcow2(tmp_path / "disk", GIB)
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    assert struct.unpack(">I", (tmp_path / "disk").read_bytes()[4:8]) == (3,)


def test_the_file_an_image_stands_on_is_read_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(1024))
    write_qcow2(tmp_path / "disk.qcow2", 1024, read_base(tmp_path / "base", "raw"))
    assert backing_of(tmp_path / "disk.qcow2") == tmp_path / "base"
    write_qcow2(tmp_path / "alone.qcow2", 1024)
    assert backing_of(tmp_path / "alone.qcow2") is None
    assert backing_of(tmp_path / "base") is None
    folder = tmp_path / "images" / "one"
    folder.mkdir(parents=True)
    header = Header(16, 1024, 1, 3 << 16, 1 << 16, b"../../masters/x")
    (folder / "relative.qcow2").write_bytes(header.pack())
    assert backing_of(folder / "relative.qcow2") == tmp_path / "masters" / "x"


def an_overlay(folder: Path, named: str, size: int = 8192) -> tuple[Path, Path]:
    """(an overlay as the image builder writes it, its master); both as they lie on a host."""
    master, overlay = folder / "masters" / "m", folder / "vms" / "v" / "o"
    for path in (master, overlay):
        path.parent.mkdir(parents=True)
    master.write_bytes(bytes(8192))
    (folder / "elsewhere").write_bytes(bytes(size))
    write_overlay(overlay, master if size == 8192 else folder / "elsewhere", [Patch(0, b"x" * 4096)], backing=named)
    return overlay, master


def test_an_overlay_of_the_master_it_came_with_is_taken(tmp_path: Path) -> None:
    overlay, master = an_overlay(tmp_path, "../../masters/m")
    assert check_overlay(overlay, master) == Base(master, "raw", 8192)


@pytest.mark.parametrize(
    "named, size, why",
    [
        ("../../elsewhere", 8192, "not of m"),
        ("/etc/shadow", 8192, "not of m"),
        ("json:{}", 8192, "not of m"),
        ("../../masters/m", 4096, "its master has 8192"),
    ],
)
def test_an_overlay_of_anything_else_is_refused(tmp_path: Path, named: str, size: int, why: str) -> None:
    overlay, master = an_overlay(tmp_path, named, size)
    with pytest.raises(ValueError, match=why):
        check_overlay(overlay, master)


def test_what_is_no_overlay_is_refused(tmp_path: Path) -> None:
    overlay, master = an_overlay(tmp_path, "../../masters/m")
    overlay.write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="is not a qcow2"):
        check_overlay(overlay, master)
