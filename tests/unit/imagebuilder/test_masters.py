# SPDX-License-Identifier: Apache-2.0
"""What masters are made of: archives, boot sectors, mirrors, modules; and a store where a build is all or nothing."""

import io
import struct
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import MasterStore, cpio, debian, debian_image, disk, ensure_master
from services.imagebuilder.masters.boot_kernel import BootKernel, initramfs
from services.imagebuilder.masters.debian_sources import PUBLIC, Mirrors, machine_mirrors
from services.imagebuilder.masters.kernel_modules import modules_in_order
from services.imagebuilder.masters.programs import need, run
from services.imagebuilder.masters.store import Built
from tests.support.imaging import Told
from tests.support.waiting import until


def test_busybox_reads_the_archive_we_write(tmp_path: Path) -> None:
    entries = {"init": cpio.file(b"#!/bin/sh\n", 0o755), "a/b/c": cpio.file(b"x" * 7), "bin/sh": cpio.link("busybox")}
    archive = cpio.archive(entries)
    listed = subprocess.run(["busybox", "cpio", "-t"], input=archive, capture_output=True, check=True)
    assert sorted(listed.stdout.decode().split()) == ["a", "a/b", "a/b/c", "bin", "bin/sh", "init"]
    subprocess.run(["busybox", "cpio", "-i"], input=archive, capture_output=True, check=True, cwd=tmp_path)
    assert (tmp_path / "a/b/c").read_bytes() == b"x" * 7
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755


def test_an_initramfs_is_the_same_each_time_and_loads_modules_in_order() -> None:
    modules = {"virtio.ko": b"1", "virtio_net.ko": b"2"}
    boot = BootKernel(Path("vmlinuz"), b"busybox", modules)
    made = initramfs(b"#!/bin/sh\n", ("sh",), boot, {})
    assert made == initramfs(b"#!/bin/sh\n", ("sh",), boot, {})
    assert b"virtio.ko\nvirtio_net.ko\n" in made


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    for name, needs in (("cdrom", ""), ("sr_mod", "cdrom,scsi-mod"), ("scsi_mod", "scsi_common")):
        (tmp_path / f"{name}.ko").write_bytes(b"ELF\0depends=" + needs.encode() + b"\0name=x\0")
    (tmp_path / "modules.builtin").write_text("kernel/drivers/scsi/scsi_common.ko\n")
    assert list(modules_in_order(tmp_path, ["sr_mod"])) == ["cdrom.ko", "scsi_mod.ko", "sr_mod.ko"]
    with pytest.raises(ImageFailed, match="no module wings"):
        modules_in_order(tmp_path, ["wings"])


def test_the_boot_sector_has_one_bootable_partition_up_to_the_end_and_one_for_uefi_before_it() -> None:
    record = disk.master_boot_record(b"\xeb" * 512, sectors=100_000, signature=1)
    active, kind, first, count = record[446], record[450], *struct.unpack("<II", record[454:462])
    assert (len(record), active, kind, first, first + count) == (512, 0x80, 0x83, 18432, 100_000)
    active, kind, first, count = record[462], record[466], *struct.unpack("<II", record[470:478])
    assert (active, kind, first, first + count) == (0, 0xEF, 2048, 18432)
    assert record[510:] == b"\x55\xaa"


def test_what_is_not_empty_of_a_disk_is_listed_by_the_mib_without_the_first(tmp_path: Path) -> None:
    mib, image = 1 << 20, tmp_path / "disk"
    with open(image, "wb") as file:
        file.write(b"\1" * mib)
        for place in (2, 3, 7):
            file.seek(place * mib + 5)
            file.write(b"x")
        file.truncate(8 * mib)
    assert list(debian_image.extents(image)) == [(2, 2), (7, 1)]
    image.write_bytes(b"\1" * 40 * mib)
    assert list(debian_image.extents(image)) == [(1, 32), (33, 7)]


def os_release(etc: Path, name: str) -> None:
    (etc / "apt/sources.list.d").mkdir(parents=True)
    (etc / "os-release").write_text(f"NAME=x\nID={name}\n")


def test_a_debians_own_mirror_is_used_in_either_format(tmp_path: Path) -> None:
    os_release(tmp_path / "a", "debian")
    (tmp_path / "a/apt/sources.list").write_text(
        "deb https://packages.example.com/tool stable main\n"
        "deb [arch=amd64] http://mirror.example.org/debian bookworm-updates main\n"
        "deb http://mirror.example.org/sec bookworm-security main\n"
    )
    assert machine_mirrors(tmp_path / "a", {}) == Mirrors(
        "http://mirror.example.org/debian", "http://mirror.example.org/sec"
    )
    os_release(tmp_path / "b", "debian")
    (tmp_path / "b/apt/sources.list.d/debian.sources").write_text(
        "Types: deb\n# a note\nURIs: http://m.example.org/debian/\nSuites: trixie trixie-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://m.example.org/debian-security\nSuites: trixie-security\nComponents: main\n"
    )
    found = machine_mirrors(tmp_path / "b", {})
    assert found == Mirrors("http://m.example.org/debian", "http://m.example.org/debian-security")


def test_an_ubuntus_mirrors_are_not_debians(tmp_path: Path) -> None:
    os_release(tmp_path, "ubuntu")
    (tmp_path / "apt/sources.list").write_text("deb http://archive.example.org/ubuntu noble-updates main\n")
    assert machine_mirrors(tmp_path, {}).main == PUBLIC
    assert machine_mirrors(tmp_path, {"INNKEEPER_DEBIAN_MIRROR": "http://m/debian"}).main == "http://m/debian"


def test_a_mirrors_password_stays_out_of_the_image() -> None:
    mirrors = Mirrors("https://me:secret@mirror.example.org/debian", "http://mirror.example.org/sec")
    recipe = debian.read_recipe("debian-12")
    overlay = debian.overlay(recipe, mirrors)
    assert b"secret" not in overlay
    assert overlay == debian.overlay(recipe, mirrors)
    with tarfile.open(fileobj=io.BytesIO(overlay)) as tar:
        sources = tar.extractfile("etc/innkeeper-sources")
        assert sources is not None
        assert b"https://mirror.example.org/debian bookworm main" in sources.read()


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.imagebuilder.masters.programs._PATH", "/nowhere")
    with pytest.raises(ImageFailed, match="building needs mmdebstrap; install: apt-get install mmdebstrap"):
        need("building", ("mmdebstrap",))


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(ImageFailed, match=r"sh failed \(3\): no room"):
        run(["sh", "-c", "echo no room; exit 3"])


def test_a_master_is_made_once_and_found_by_its_recipe(tmp_path: Path) -> None:
    made = []

    def build(work: Path, progress: Progress) -> Built:
        made.append(1)
        (work / "file").write_bytes(b"kernel")
        return Built({"kernel": (work / "file", "kernel")}, "quiet")

    for _ in range(2):
        master = MasterStore(tmp_path).ensure("r-1", build, Told())
    assert made == [1]
    assert MasterStore(tmp_path).path(master.files["kernel"].sha256).read_bytes() == b"kernel"
    assert master.cmdline == "quiet"


def test_a_master_whose_file_is_gone_is_made_again(tmp_path: Path) -> None:
    store = MasterStore(tmp_path)

    def build(work: Path, progress: Progress) -> Built:
        (work / "file").write_bytes(b"kernel")
        return Built({"kernel": (work / "file", "kernel")})

    master = store.ensure("r-1", build, Told())
    store.path(master.files["kernel"].sha256).unlink()
    assert store.find("r-1") is None
    assert store.ensure("r-1", build, Told()) == master


def test_a_build_that_fails_or_died_leaves_nothing(tmp_path: Path) -> None:
    store = MasterStore(tmp_path)
    dead = tmp_path / "masters/partial/r-1.99999999.d"
    dead.mkdir(parents=True)

    def build(work: Path, progress: Progress) -> Built:
        (work / "half").write_bytes(b"x")
        raise ImageFailed("no network")

    with pytest.raises(ImageFailed):
        store.ensure("r-1", build, Told())
    assert [p.name for p in (tmp_path / "masters").rglob("*") if p.is_file()] == ["r-1.lock"]
    assert not dead.exists()


def test_two_builders_of_one_recipe_wait_for_each_other(tmp_path: Path) -> None:
    begun, may_end, builds, told = threading.Event(), threading.Event(), [], Told()

    def build(work: Path, progress: Progress) -> Built:
        builds.append(1)
        begun.set()
        may_end.wait(10)
        (work / "file").write_bytes(b"kernel")
        return Built({"kernel": (work / "file", "kernel")})

    first = threading.Thread(target=lambda: MasterStore(tmp_path).ensure("r-1", build, Told()))
    second = threading.Thread(target=lambda: MasterStore(tmp_path).ensure("r-1", build, told))
    first.start()
    assert begun.wait(10)
    second.start()
    until(lambda: told, 10, "the second builder waits")
    may_end.set()
    first.join(10)
    second.join(10)
    assert builds == [1]


def test_an_unknown_recipe_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match=r"known are debian-12, .*mini"):
        ensure_master(MasterStore(tmp_path), "plan-9", Told())
