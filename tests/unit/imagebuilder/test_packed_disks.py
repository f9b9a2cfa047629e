# SPDX-License-Identifier: Apache-2.0
"""OVAs and VMDKs: their disk is taken out, and one that leads anywhere else is refused before a program opens it."""

import tarfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.errors import ImageFailed, LostLease, TryAgain
from services.common.contracts.states import MediaState
from services.common.store.catalogue import Media
from services.imagebuilder.masters import programs
from services.imagebuilder.media import unpacking
from services.imagebuilder.media.collecting import Collecting, Limits
from services.imagebuilder.media.ova import disk_in
from services.imagebuilder.media.unpacking import Unpacking
from services.imagebuilder.media.uploads import Piece
from services.imagebuilder.media.vmdk import SparseDisk, check_vmdk
from services.imagebuilder.media.window import Window
from tests.support.imaging import MEDIA_ID, a_step
from tests.support.importing import RAW, Desk, sum_of
from tests.support.packed_disks import archive, descriptor, disk_of, header, manifest, ova, ovf, streamed, vmdk
from tests.support.vendor import vendor

MOST = 1 << 30
FILES = {"web.ovf": ovf(), "disk.vmdk": streamed(RAW)}
TWO = '<Disk ovf:diskId="a" ovf:fileRef="file1"/><Disk ovf:diskId="b"/>'
SECRET = b"the host's own secret"


def kept_of(folder: Path, content: bytes, kind: str = "cloud-image", most: int = MOST) -> Path:
    (folder / "medium").write_bytes(content)
    return Unpacking(most).kept_of(folder / "medium", kind, lambda _percent: None)


def with_descriptor(**changed: Any) -> bytes:
    return ova({**FILES, "disk.vmdk": streamed(RAW, descriptor(**changed))})


def disks(*listed: str, **more: Any) -> bytes:
    return ova({**FILES, "web.ovf": ovf(*listed, **more)})


def member(kind: bytes, name: str = "disk.vmdk", link: str = "") -> bytes:
    """An OVA whose disk is something else than a file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return archive((tarfile.TarInfo("web.ovf"), FILES["web.ovf"]), (info, b""))


def named(name: str) -> bytes:
    return ova({**FILES, name: b"x"})


@pytest.mark.parametrize("packed", ["monolithicSparse", "streamOptimized", "by hand"])
@pytest.mark.parametrize("wrap", ["alone", "in an OVA", "with a manifest"])
def test_the_disk_is_taken_out_as_it_was(tmp_path: Path, packed: str, wrap: str) -> None:
    disk = streamed(RAW) if packed == "by hand" else vmdk(tmp_path, RAW, packed)
    files = {"web.ovf": ovf(), "disk.vmdk": disk, "readme.iso": b"not looked at"}
    if wrap == "with a manifest":
        files = {"web.ovf": files["web.ovf"], "web.mf": manifest(files, "SHA1"), **files}
    told: list[float] = []
    (tmp_path / "medium").write_bytes(disk if wrap == "alone" else ova(files))
    kept = Unpacking(MOST).kept_of(tmp_path / "medium", "cloud-image", told.append)
    assert (kept.read_bytes()[:4], disk_of(kept, tmp_path)) == (b"QFI\xfb", RAW.rstrip(b"\0"))
    assert told[-1] == 100.0


# What the medium is, and why it is refused.
REFUSED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "no descriptor": (lambda: ova({"disk.vmdk": FILES["disk.vmdk"]}), "has no descriptor"),
    "two descriptors": (lambda: ova({**FILES, "b.OVF": b""}), "has 2 files"),
    "a descriptor that is none": (lambda: ova({**FILES, "web.ovf": b"<Envelope"}), "can't be read"),
    "a descriptor that grows": (
        lambda: ova({**FILES, "web.ovf": b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + ovf()[21:]}),
        "declares a document type",
    ),
    "an endless descriptor": (lambda: ova({**FILES, "web.ovf": ovf() + b" " * (1 << 20)}), "are the most"),
    "two vms": (lambda: disks(systems=2), "holds 2 vms"),
    "two disks": (lambda: disks(TWO), r"has 2 disks \(a, b\).*give the vm volumes"),
    "an empty disk": (lambda: disks('<Disk ovf:diskId="a"/>'), "describes an empty disk"),
    "a disk on a disk": (
        lambda: disks('<Disk ovf:diskId="a" ovf:fileRef="file1" ovf:parentRef="b"/>'),
        "stands on another disk",
    ),
    "no disk": (lambda: ova({"web.ovf": ovf()}), "'disk.vmdk', which is not in it"),
    "a disk elsewhere": (
        lambda: disks(files='<File ovf:id="file1" ovf:href="file:///etc/passwd"/>'),
        "'file:///etc/passwd', which is not in it",
    ),
    "a packed disk": (
        lambda: disks(files='<File ovf:id="file1" ovf:href="disk.vmdk.gz" ovf:compression="gzip"/>'),
        "is packed; unpack it",
    ),
    "a disk in pieces": (
        lambda: disks(files='<File ovf:id="file1" ovf:href="disk.vmdk" ovf:chunkSize="7"/>'),
        "is in pieces",
    ),
    "another disk format": (lambda: ova({**FILES, "disk.vmdk": RAW}), "no VMDK in one file"),
    "a wrong sum": (
        lambda: ova({**FILES, "web.mf": manifest({**FILES, "disk.vmdk": b"other"})}),
        "wrong checksum: for 'disk.vmdk'",
    ),
    "a manifest with more": (lambda: ova({**FILES, "web.mf": manifest({**FILES, "b": b""})}), "'b', which is not in"),
    "a manifest with less": (lambda: ova({**FILES, "web.mf": b""}), "says nothing of 'web.ovf'"),
    "a manifest that is none": (lambda: ova({**FILES, "web.mf": b"MD5(disk.vmdk)= 00"}), "manifest can't be read"),
    "a symbolic link": (lambda: member(tarfile.SYMTYPE, link="/etc/passwd"), "holds a symbolic link"),
    "a hard link": (lambda: member(tarfile.LNKTYPE, link="web.ovf"), "holds a hard link"),
    "a device": (lambda: member(tarfile.BLKTYPE), "holds a device"),
    "a sparse file": (lambda: member(tarfile.GNUTYPE_SPARSE), "holds a sparse file"),
    "an absolute name": (lambda: named("/etc/passwd"), "no plain name"),
    "a name that leads up": (lambda: named("../passwd"), "no plain name"),
    "a name of two lines": (lambda: named("a\nb"), "no plain name"),
    "a name twice": (
        lambda: archive(*((tarfile.TarInfo("web.ovf"), ovf()) for _ in range(2))),
        "two files 'web.ovf'",
    ),
    "many files": (lambda: ova({f"{n}.ovf": b"" for n in range(65)}), "more than 64 files"),
    "extended headers": (
        lambda: archive((tarfile.TarInfo("ü.ovf"), b""), form=tarfile.PAX_FORMAT),
        "holds an extended header.*--format=ustar",
    ),
    "an OVA cut off": (lambda: ova(FILES)[: len(FILES["disk.vmdk"])], "cut off in 'disk.vmdk'"),
    "an OVA damaged": (lambda: b"?" + ova(FILES)[1:], "is damaged"),
    "a VMDK cut off": (lambda: FILES["disk.vmdk"][:-1024], "cut off: its end is missing"),
    "a VMDK's head": (lambda: b"KDMV", "shorter than its own header"),
    "a VMDK without its grains": (lambda: header(2048, 1 << 30) + descriptor(), "cut off: it has"),
    "a VMDK of another version": (lambda: header(2048, 1, version=4) + descriptor(), "kind that is not known"),
    "a VMDK that is huge": (lambda: header(1 << 40, 1) + descriptor(), "INNKEEPER_MEDIA_MAX_GIB"),
    "a VMDK's descriptor": (lambda: descriptor(), "a VMDK's descriptor, without what it describes"),
    "a descriptor in a header": (lambda: header(0, 1) + descriptor(), "a part of a disk in several files"),
    "a descriptor elsewhere": (lambda: header(2048, 1, text_at=2) + descriptor(), "a part of a disk in several files"),
    "a flat extent": (
        lambda: with_descriptor(extents='RW 2048 FLAT "/etc/passwd" 0', createType='"monolithicFlat"'),
        "keeps its data in other files",
    ),
    "a flat extent that hides": (lambda: with_descriptor(extents='RW 2048 FLAT "disk.vmdk" 0'), "in other files"),
    "a sparse extent elsewhere": (
        lambda: with_descriptor(extents='RW 2048 SPARSE "/etc/passwd"'),
        "in other files",
    ),
    "one extent more": (
        lambda: with_descriptor(extents='RW 1 SPARSE "a.vmdk"\nRW 1 SPARSE "b.vmdk"'),
        "in other files",
    ),
    "a parent": (lambda: with_descriptor(parentFileNameHint='"/etc/passwd"'), "stands on another file"),
    "a parent that hides": (
        lambda: ova({**FILES, "disk.vmdk": streamed(RAW, descriptor() + b'\0parentFileNameHint="/etc/passwd"')}),
        "stands on another file",
    ),
    "a parent by its number": (lambda: with_descriptor(parentCID="12345678"), "the difference to another disk"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_whole_disk_by_itself_is_refused_before_a_program_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make, reason = REFUSED[what]
    monkeypatch.setattr(unpacking, "run", lambda *_: pytest.fail("a program was run on it"))
    with pytest.raises(ImageFailed, match=reason):
        kept_of(tmp_path, make())
    assert [path.name for path in tmp_path.iterdir()] == ["medium"]


@pytest.mark.parametrize("content", [ova(FILES), FILES["disk.vmdk"]])
def test_an_installation_medium_is_neither(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImageFailed, match=r"is called 'iso' and is an? (OVA|VMDK); import it as a cloud-image"):
        kept_of(tmp_path, content, "iso")


def test_a_disk_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="are allowed"):
        kept_of(tmp_path, FILES["disk.vmdk"], most=len(RAW))


def test_a_parent_that_slipped_through_is_not_read_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = tmp_path / "parent.vmdk"
    parent.write_bytes(streamed(SECRET.ljust(1 << 16) * 16))
    hollow = streamed(b"", descriptor(parentFileNameHint=f'"{parent}"', parentCID="1"), hollow=2048)
    monkeypatch.setattr(unpacking, "check_vmdk", lambda *_: SparseDisk(1 << 20, 1 << 20))
    assert SECRET not in disk_of(kept_of(tmp_path, hollow), tmp_path)


@pytest.mark.parametrize("look", [check_vmdk, lambda file, _most: disk_in(file)], ids=["VMDK", "OVA"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_it_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, look: Callable[[Window, int], object], data: st.DataObject
) -> None:
    content = bytearray(FILES["disk.vmdk"] if look is check_vmdk else ova({**FILES, "web.mf": manifest(FILES)}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 2048), st.integers(0, len(content) - 1)))
        content[at : at + 8] = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path_factory.mktemp("changed") / "medium"
    path.write_bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])
    try:
        look(Window.whole(path), MOST)
    except ImageFailed:
        return
    finally:
        path.unlink()
        path.parent.rmdir()


def test_what_is_kept_of_an_ova_is_its_disk_alone_and_goes_with_the_last_of_its_media(tmp_path: Path) -> None:
    desk, content = Desk(tmp_path), ova(FILES)
    with vendor(content) as server:
        desk.offer(content, server.url)
        assert desk.run() is None
        first = desk.medium()
        assert (first.sha256, desk.left()) == (sum_of(content), [f"media/{first.kept}"])
        assert disk_of(desk.places.media(first.kept), tmp_path) == RAW.rstrip(b"\0")
        assert first.size == desk.places.media(first.kept).stat().st_size
        desk.offer(content, server.url, id="second", name="second")
        assert desk.run("second") is None
        assert (len(server.asked), desk.medium("second").kept, desk.left()) == (1, first.kept, [f"media/{first.kept}"])
    collecting = Collecting(desk.database, desk.places, desk.uploads, Limits())
    gone = []
    for media_id in (MEDIA_ID, "second"):
        with desk.database.write() as session:
            session.get_one(Media, media_id).state = MediaState.DELETED
        gone.append(collecting.media())
    assert (gone, desk.left()) == ([[], [first.kept]], [])


def test_a_conversion_ends_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    def unwanted(_percent: float) -> None:
        raise LostLease("it was cancelled")

    (tmp_path / "medium").write_bytes(ova(FILES))
    with pytest.raises(LostLease):
        Unpacking(MOST).kept_of(tmp_path / "medium", "cloud-image", unwanted)


def test_a_conversion_that_broke_off_goes_on_from_the_medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, content = Desk(tmp_path), ova(FILES)
    whole, tries = programs.run, [TryAgain("the builder was stopped"), None]

    def breaks_off(argv: list[str], told: Any) -> None:
        error = tries.pop(0)
        whole(argv, told)
        if error:
            raise error

    monkeypatch.setattr(unpacking, "run", breaks_off)
    with vendor(content) as server:
        desk.offer(content, server.url)
        assert desk.run() is None
        assert (len(server.asked), tries, desk.left()) == (1, [], [f"media/{desk.medium().kept}"])


@pytest.mark.parametrize("packed", [True, False], ids=["an OVA", "a disk"])
def test_an_upload_whose_import_died_at_its_very_end_is_not_sent_again(tmp_path: Path, packed: bool) -> None:
    desk, content = Desk(tmp_path), ova(FILES) if packed else RAW
    desk.offer(content, "", size=len(content))
    desk.uploads.receive(Piece(MEDIA_ID, len(content), 0, len(content)), BytesIO(content))
    desk.importer.import_(a_step(media=MEDIA_ID))  # and what it found is never written down
    assert desk.medium().state == MediaState.IMPORTING
    assert desk.run() is None
    assert (desk.medium().state, desk.left()) == (MediaState.AVAILABLE, [f"media/{desk.medium().kept}"])


@pytest.mark.parametrize("spoiled", ["its sum", "its disk", "its room"])
def test_an_import_that_fails_leaves_nothing(tmp_path: Path, spoiled: str) -> None:
    desk = Desk(tmp_path)
    content = ova({**FILES, "web.ovf": ovf(systems=2)} if spoiled == "its disk" else FILES)
    desk.quota(1e-6 if spoiled == "its room" else 1)
    with vendor(content) as server:
        desk.offer(content, server.url, **({"sha256": "0" * 64} if spoiled == "its sum" else {}))
        error = desk.run()
    assert error is not None
    assert {"its sum": "wrong checksum", "its disk": "2 vms", "its room": "quota"}[spoiled] in error.detail
    assert desk.left() == []
