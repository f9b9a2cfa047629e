# SPDX-License-Identifier: Apache-2.0
"""Masters with slots, overlays on them and the spliced stream, judged by xorriso and qemu-img."""

import io
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from services.common.contracts.errors import ImageFailed, Invalid
from services.common.formats.spliced import Spliced
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.slots.layout import Patch, Plan, Recipe, Slot
from services.imagebuilder.slots.master import SlottedMaster, ensure_slotted
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import pack_files, pack_text
from tests.support.bootable import ESP, GRUB_CFG, KERNEL, make_medium, xorriso
from tests.support.imaging import Told
from tests.support.missing import missing

ANSWER, MENU = Plan("answer", "/innkeeper/answer.cpio"), Plan("menu", "/boot/grub/grub.cfg", 8192, text=True)
RECIPE = Recipe("synthetic", 1, (ANSWER, MENU))
FILES = {"preseed.cfg": b"d-i x string y\n" * 99, "hooks/late.sh": b"#!/bin/sh\nexit 0\n"}
SHA = "ab" * 32


@dataclass
class Bench:
    """A medium and its master."""

    medium: Path
    master: SlottedMaster
    store: MasterStore


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if shutil.which("qemu-img") is None:
        missing("qemu-img; install: apt-get install qemu-utils")
    folder = tmp_path_factory.mktemp("slots")
    make_medium(folder / "medium.iso", 5 << 20, folder)
    store = MasterStore(folder / "state")
    return Bench(folder / "medium.iso", ensure_slotted(store, folder / "medium.iso", SHA, RECIPE, Told()), store)


def patches(master: SlottedMaster) -> list[Patch]:
    return [
        pack_files(master.layout.slot("answer"), FILES),
        pack_text(master.layout.slot("menu"), b"menuentry 'ours' {}\n"),
    ]


@pytest.fixture
def overlay(bench: Bench, tmp_path: Path) -> Path:
    path = tmp_path / "vm.qcow2"
    write_overlay(path, bench.master.path, patches(bench.master))
    return path


def patched(master: SlottedMaster) -> bytes:
    whole = bytearray(master.path.read_bytes())
    for patch in patches(master):
        whole[patch.offset : patch.offset + len(patch.content)] = patch.content
    return bytes(whole)


def iso_file(image: bytes, path: str) -> bytes:
    """A file by a reader that has nothing to do with xorriso."""
    disc: Any = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(image))
    out = io.BytesIO()
    disc.get_file_from_iso_fp(out, rr_path=path)
    disc.close()
    return out.getvalue()


def test_a_master_is_made_once_and_found_again(bench: Bench) -> None:
    told = Told()
    assert ensure_slotted(bench.store, bench.medium, SHA, RECIPE, told) == bench.master
    assert told == []


def test_another_version_of_a_recipe_is_another_master(bench: Bench) -> None:
    larger = replace(RECIPE, version=2, slots=(replace(ANSWER, size=131072), MENU))
    assert ensure_slotted(bench.store, bench.medium, SHA, larger, Told()).layout.slot("answer").size == 131072


def test_the_slots_are_where_the_layout_says_by_another_reader(bench: Bench) -> None:
    image = bench.master.path.read_bytes()
    for slot in bench.master.layout.slots:
        content = iso_file(image, slot.path)
        assert len(content) == slot.size
        assert image[slot.offset : slot.offset + slot.size] == content
    assert iso_file(image, "/boot/grub/grub.cfg").rstrip(b"\n") + b"\n" == GRUB_CFG


def test_the_master_boots_as_the_medium_did_and_keeps_its_other_files(bench: Bench) -> None:
    def boots(path: Path) -> list[str]:
        told = xorriso("-indev", str(path), "-report_el_torito", "plain", "-report_system_area", "plain")
        kept = ("El Torito cat path", "El Torito images", "El Torito img path", "El Torito img opts", "System area opt")
        return [line.split(":", 1)[1].strip() for line in told.splitlines() if line.startswith(kept)]

    assert boots(bench.medium)
    assert boots(bench.master.path) == boots(bench.medium)
    medium, master = bench.medium.read_bytes(), bench.master.path.read_bytes()
    assert iso_file(master, "/vmlinuz") == iso_file(medium, "/vmlinuz") == KERNEL
    # The name, and the date GRUB may look for it by.
    assert master[32768 + 40 : 32768 + 72] == medium[32768 + 40 : 32768 + 72]
    assert master[32768 + 830 : 32768 + 846] == medium[32768 + 830 : 32768 + 846]
    assert master[510:512] == b"\x55\xaa"


def test_a_medium_for_uefi_keeps_its_partition_both_ways(tmp_path: Path) -> None:
    make_medium(tmp_path / "medium.iso", 1 << 20, tmp_path, uefi=True)
    master = ensure_slotted(MasterStore(tmp_path / "state"), tmp_path / "medium.iso", SHA, RECIPE, Told())
    told = xorriso("-indev", str(master.path), "-report_el_torito", "plain", "-report_system_area", "plain")
    lines = [line.split() for line in told.splitlines()]
    image = master.path.read_bytes()
    entries = {words[6]: int(words[-1]) * 2048 for words in lines if words[:5] == ["El", "Torito", "boot", "img", ":"]}
    assert set(entries) == {"BIOS", "UEFI"}
    assert image[entries["UEFI"] :][: len(ESP)] == ESP
    starts = {words[5]: int(words[6]) * 512 for words in lines if words[:5] == ["GPT", "start", "and", "size", ":"]}
    assert starts["2"] == entries["UEFI"]
    # The backup of the GPT is in the last sector, where it is looked for.
    assert image[512:520] == image[-512:-504] == b"EFI PART"


def test_the_mediums_checksum_list_says_nothing_of_a_slot(bench: Bench) -> None:
    image = bench.master.path.read_bytes()
    assert iso_file(image, "/md5sum.txt") == b"0" * 32 + b"  ./vmlinuz\n"


def test_an_overlay_is_the_master_but_for_the_slots(bench: Bench, overlay: Path, tmp_path: Path) -> None:
    subprocess.run(["qemu-img", "check", str(overlay)], check=True, capture_output=True)
    flat = tmp_path / "flat.iso"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(overlay), str(flat)], check=True)
    image, master = flat.read_bytes(), bench.master.path.read_bytes()
    assert image == patched(bench.master)
    assert image != master
    inside = {n for slot in bench.master.layout.slots for n in range(slot.offset, slot.offset + slot.size)}
    assert all(n in inside for n in range(len(image)) if image[n] != master[n])
    assert iso_file(image, "/boot/grub/grub.cfg").startswith(b"menuentry 'ours'")


def test_an_overlay_is_small_and_private_and_the_same_every_time(bench: Bench, overlay: Path, tmp_path: Path) -> None:
    assert overlay.stat().st_size < 150_000
    assert overlay.stat().st_mode & 0o777 == 0o600
    write_overlay(tmp_path / "again.qcow2", bench.master.path, patches(bench.master))
    assert (tmp_path / "again.qcow2").read_bytes() == overlay.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.qcow2", "vm.qcow2"]


def test_an_overlay_has_no_cluster_that_its_master_has_the_same(tmp_path: Path) -> None:
    (tmp_path / "master").write_bytes(bytes(1 << 20))
    write_overlay(tmp_path / "empty", tmp_path / "master", [Patch(4096, bytes(65536))])
    write_overlay(tmp_path / "one", tmp_path / "master", [Patch(4096, b"x".ljust(65536, b"\0"))])
    write_overlay(tmp_path / "back", tmp_path / "master", [Patch(0, b"x"), Patch(0, b"\0")])
    sizes = [(tmp_path / name).stat().st_size for name in ("empty", "one", "back")]
    assert sizes[1] - sizes[0] == 2 * 4096, "a table and a cluster"
    with Spliced(tmp_path / "empty") as same, Spliced(tmp_path / "back") as back, Spliced(tmp_path / "one") as other:
        assert b"".join(same.chunks()) == b"".join(back.chunks()) == bytes(1 << 20)
        assert b"".join(other.chunks()) == b"x".rjust(4097, b"\0").ljust(1 << 20, b"\0")


def test_an_overlay_may_name_its_master_from_its_own_folder(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "masters").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "masters/m").hardlink_to(bench.master.path)
    path = tmp_path / "images/vm.qcow2"
    write_overlay(path, bench.master.path, patches(bench.master), "../masters/m")
    said = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(path)]))
    assert (said["backing-filename"], said["backing-filename-format"]) == ("../masters/m", "raw")
    assert said["virtual-size"] == bench.master.layout.size
    with Spliced(path) as image:
        assert b"".join(image.chunks()) == patched(bench.master)


@pytest.mark.parametrize("size", [4096 * 3 + 512, 2 << 20, (2 << 20) + 2048, 40 << 20])
def test_patches_anywhere_in_a_disk_of_any_size(tmp_path: Path, size: int) -> None:
    master = tmp_path / "master"
    master.write_bytes(bytes(n % 251 for n in range(4096)) * (size // 4096) + b"e" * (size % 4096))
    whole = bytearray(master.read_bytes())
    put = [Patch(0, b"A"), Patch(4090, b"B" * 3000), Patch(7090, b"C" * 100), Patch(size - 700, b"D" * 700)]
    for patch in put:
        whole[patch.offset : patch.offset + len(patch.content)] = patch.content
    write_overlay(tmp_path / "o.qcow2", master, put)
    subprocess.run(["qemu-img", "check", str(tmp_path / "o.qcow2")], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(tmp_path / "o.qcow2"), str(tmp_path / "flat")], check=True)
    assert (tmp_path / "flat").read_bytes() == whole
    with Spliced(tmp_path / "o.qcow2") as image:
        assert b"".join(image.chunks()) == whole


def test_an_overlay_of_many_clusters_counts_its_own(tmp_path: Path) -> None:
    with open(tmp_path / "master", "wb") as file:
        file.truncate(64 << 20)
    write_overlay(tmp_path / "o.qcow2", tmp_path / "master", [Patch(2048, b"x" * (20 << 20))])
    subprocess.run(["qemu-img", "check", str(tmp_path / "o.qcow2")], check=True, capture_output=True)


def test_a_patch_beyond_the_end_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "master").write_bytes(bytes(8192))
    with pytest.raises(ValueError, match="a patch ends at 8193"):
        write_overlay(tmp_path / "o.qcow2", tmp_path / "master", [Patch(8192, b"x")])
    assert [path.name for path in tmp_path.iterdir()] == ["master"]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_every_range_of_the_stream_is_the_images(
    bench: Bench, overlay: Path, pair: tuple[socket.socket, socket.socket]
) -> None:
    whole, left, right = patched(bench.master), *pair
    slot = bench.master.layout.slot("answer")
    edges = [
        0,
        1,
        slot.offset - 1,
        slot.offset,
        slot.offset + 5000,
        slot.offset + slot.size,
        len(whole) - 3,
        len(whole),
    ]
    with Spliced(overlay) as image:
        assert image.size == len(whole)
        for start in edges:
            for end in (end for end in edges if end > start):
                sender = threading.Thread(target=image.send, args=(left, start, end - start))
                sender.start()
                got = bytearray()
                while len(got) < end - start:
                    got += right.recv(1 << 20)
                sender.join()
                assert got == whole[start:end] == b"".join(image.chunks(start, end - start))


def test_a_stream_of_an_image_whose_master_is_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "master").write_bytes(bytes(8192))
    write_overlay(tmp_path / "o.qcow2", tmp_path / "master", [Patch(0, b"x")])
    (tmp_path / "master").write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="has 4096 bytes, not 8192"):
        Spliced(tmp_path / "o.qcow2")
    (tmp_path / "master").unlink()
    with pytest.raises(FileNotFoundError):
        Spliced(tmp_path / "o.qcow2")
    (tmp_path / "o.qcow2").write_bytes(b"x" * 500)
    with pytest.raises(ValueError, match="not a qcow2"):
        Spliced(tmp_path / "o.qcow2")


def test_the_slot_is_an_archive_cpio_reads(bench: Bench, tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        missing("cpio; install: apt-get install cpio")
    content = pack_files(bench.master.layout.slot("answer"), FILES).content
    subprocess.run(["cpio", "-idm", "--quiet"], input=content, cwd=tmp_path, check=True)
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == FILES
    assert (tmp_path / "preseed.cfg").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "hooks/late.sh").stat().st_mode & 0o777 == 0o700


def test_what_is_too_large_is_named() -> None:
    slot = Slot("answer", "/a", 0, 4096, False)
    with pytest.raises(Invalid) as refused:
        pack_files(slot, {"small": b"x", "user-data": b"y" * 5000})
    assert "largest of its 2 files is user-data with 5000" in refused.value.problems[0].detail
    assert "room for 4096" in refused.value.problems[0].detail
    with pytest.raises(Invalid, match="boot menu is too large"):
        pack_text(slot, b"x" * 4097)


def test_an_archive_that_just_fits_fits() -> None:
    slot = Slot("answer", "/a", 0, 4096, False)
    room = 4096 - len(pack_files(replace(slot, size=65536), {"f": b""}).content.rstrip(b"\0"))
    assert len(pack_files(slot, {"f": b"x" * (room - 8)}).content) == 4096


def _cut(medium: bytes) -> bytes:
    return medium[: len(medium) - (1 << 20)]


def _no_boot_record(medium: bytes) -> bytes:
    at = medium.index(b"EL TORITO SPECIFICATION")
    return medium[:at] + b"X" + medium[at + 1 :]


def _broken_catalog(medium: bytes) -> bytes:
    at = medium.index(b"EL TORITO SPECIFICATION")
    sector = int.from_bytes(medium[at + 64 : at + 68], "little") * 2048
    return medium[:sector] + b"\xff" * 32 + medium[sector + 32 :]


BAD = {
    "truncated": (_cut, "is cut off"),
    "text": (lambda _: b"<html>404</html>", "is not an ISO 9660"),
    "zeros": (lambda _: bytes(1 << 20), "is not an ISO 9660"),
    "no-el-torito": (_no_boot_record, "no El Torito record"),
    "broken-catalog": (_broken_catalog, "catalog is damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_medium_is_named_and_leaves_nothing(bench: Bench, tmp_path: Path, name: str) -> None:
    spoil, reason = BAD[name]
    (tmp_path / "bad.iso").write_bytes(spoil(bench.medium.read_bytes()))
    store = MasterStore(tmp_path / "state")
    with pytest.raises(ImageFailed, match=reason):
        ensure_slotted(store, tmp_path / "bad.iso", SHA, RECIPE, Told())
    assert not [path for path in store.directory.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_medium_without_the_boot_menu_of_its_recipe_is_another_systems(bench: Bench, tmp_path: Path) -> None:
    store = MasterStore(tmp_path / "state")
    other = Recipe("other", 1, (ANSWER, Plan("menu", "/isolinux/isolinux.cfg", 4096, text=True)))
    with pytest.raises(ImageFailed, match=r"has no /isolinux/isolinux\.cfg"):
        ensure_slotted(store, bench.medium, SHA, other, Told())
    small = Recipe("small", 1, (replace(MENU, size=0),))
    with pytest.raises(ValueError, match="no multiple of 4096"):
        ensure_slotted(store, bench.medium, SHA, small, Told())
    assert not [path for path in store.directory.rglob("*") if path.is_file() and path.suffix != ".lock"]
