# SPDX-License-Identifier: Apache-2.0
"""Windows's media made to start by themselves: judged by xorriso and by pycdlib's reader of UDF. The media are
synthetic, in the layout of Microsoft's: what set-up makes of them is not shown here."""

import os
import re
from io import BytesIO
from pathlib import Path
from random import Random

import pycdlib
import pytest

from services.common.catalog import systems
from services.common.contracts.codec import load
from services.common.contracts.commands import DiskPlan
from services.common.contracts.devices import Devices
from services.common.contracts.errors import ImageFailed
from services.common.contracts.states import MediaState
from services.imagebuilder.build import Builder
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.installation import Installations
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.masters.windows_media import ensure_efi_image
from services.imagebuilder.media.udf import NotUdf, Udf
from services.imagebuilder.places import SEED, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.sources import Sources
from tests.support.answers import KEYED_SECRETS, KEYED_USERS, rows_of
from tests.support.bootable import make_medium, xorriso
from tests.support.imaging import VM_ID, Told, a_spec, a_step, add_media, add_vm, new_database, new_keys
from tests.support.windows_media import FILES, NOPROMPT, make_windows_medium

_BOOTS = re.compile(r"El Torito boot img :\s+\d+\s+(BIOS|UEFI)\s+y\s+none\s+\S+\s+\S+\s+(\d+)\s+(\d+)")


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    make_windows_medium(folder / "medium.iso", folder)
    return folder / "medium.iso"


def booted(iso: Path) -> dict[str, tuple[str, str]]:
    """Platform -> (load size, LBA), by xorriso."""
    report = xorriso("-indev", str(iso), "-report_el_torito", "plain")
    return {found[1]: (found[2], found[3]) for found in _BOOTS.finditer(report)}


def master_of(medium: Path, folder: Path) -> tuple[Path, str]:
    return ensure_efi_image(MasterStore(folder), medium, sha256_of(medium)[0], NOPROMPT, Told())


def file_at(iso: Path, block: str, size: int) -> bytes:
    with open(iso, "rb") as file:
        return os.pread(file.fileno(), size, int(block) * 2048)


def test_uefi_boots_the_image_that_waits_for_nobody_and_nothing_else_is_changed(medium: Path, tmp_path: Path) -> None:
    before = booted(medium)
    assert file_at(medium, before["UEFI"][1], 16) == b"waits for a key."
    path, sha256 = master_of(medium, tmp_path)
    after = booted(path)
    assert sha256 == sha256_of(path)[0]
    assert after["BIOS"] == before["BIOS"]
    assert after["UEFI"][0] == before["UEFI"][0]
    assert file_at(path, after["UEFI"][1], len(FILES[NOPROMPT[1:]])) == FILES[NOPROMPT[1:]]
    old, new = medium.read_bytes(), path.read_bytes()
    assert len(old) == len(new)
    changed = [at for at in range(len(old)) if old[at] != new[at]]
    assert changed
    assert changed[-1] - changed[0] < 4
    assert int.from_bytes(new[changed[0] & ~3 : (changed[0] & ~3) + 4], "little") == int(after["UEFI"][1])


def test_a_medium_becomes_a_master_once_and_stays_as_it_was(medium: Path, tmp_path: Path) -> None:
    before = sha256_of(medium)
    assert master_of(medium, tmp_path) == master_of(medium, tmp_path)
    assert sha256_of(medium) == before
    assert len([path for path in (tmp_path / "masters").iterdir() if path.is_file()]) == 1
    ((found, _),) = MasterStore(tmp_path).all()
    assert found.medium == before[0], "it is collected with its medium"


def test_every_file_is_where_another_reader_finds_it(medium: Path) -> None:
    other = pycdlib.PyCdlib()
    other.open(str(medium))
    with open(medium, "rb") as disc:
        udf = Udf(disc)
        for name, content in FILES.items():
            piece = udf.find("/" + name.upper())
            assert piece is not None
            disc.seek(piece.offset)
            out = BytesIO()
            other.get_file_from_iso_fp(out, udf_path="/" + name)
            assert disc.read(piece.size) == content == out.getvalue()
        assert udf.find("/sources/install.esd") is None
    other.close()


def test_a_disc_of_another_maker_is_read_too(tmp_path: Path) -> None:
    made, path = pycdlib.PyCdlib(), tmp_path / "other.iso"
    made.new(interchange_level=3, udf="2.60")
    made.add_directory("/EFI", udf_path="/EFI")
    for number in range(60):
        text = f"file {number}".encode()
        made.add_fp(BytesIO(text), len(text), f"/EFI/F{number}.;1", udf_path=f"/EFI/Datei ü {number}.txt")
    made.write(str(path))
    made.close()
    with open(path, "rb") as disc:
        udf = Udf(disc)
        for number in range(60):
            piece = udf.find(f"/efi/DATEI Ü {number}.TXT")
            assert piece is not None
            disc.seek(piece.offset)
            assert disc.read(piece.size) == f"file {number}".encode()


@pytest.mark.parametrize(
    "case, said",
    [
        ("without", r"has no /efi/microsoft/boot/efisys_noprompt\.bin in one piece"),
        ("plain", r"has no UDF file system that can be read \(it has no anchor\)"),
        ("other", r"has no UDF file system that can be read"),
        ("short", "the medium is cut off"),
    ],
)
def test_another_medium_is_refused_and_leaves_nothing(case: str, said: str, tmp_path: Path) -> None:
    medium = tmp_path / "medium.iso"
    if case == "other":
        make_medium(medium, 1 << 16, tmp_path / "scratch", uefi=True)
    else:
        files = {name: content for name, content in FILES.items() if case != "without" or name != NOPROMPT[1:]}
        make_windows_medium(medium, tmp_path, files, udf=case != "plain")
    if case == "short":
        os.truncate(medium, medium.stat().st_size // 2)
    with pytest.raises(ImageFailed, match=said) as refused:
        master_of(medium, tmp_path)
    assert case == "short" or refused.value.detail.startswith("not a Windows medium: ")
    assert not [path for path in (tmp_path / "masters").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_disc_that_misleads_is_refused_or_read_and_costs_no_time(medium: Path) -> None:
    random, good = Random(7), medium.read_bytes()
    # Everything that describes the disc lies before its first file's bytes; the rest is content.
    described = good.index(FILES["boot/etfsboot.com"])
    telling = [at for at in range(256 * 2048, described) if good[at]]
    refused = 0
    for _ in range(600):
        bad = bytearray(good[: described + 4096])
        for _ in range(random.choice((1, 3, 30))):
            bad[random.choice(telling)] = random.randrange(256)
        try:
            Udf(BytesIO(bytes(bad))).find(NOPROMPT)
        except NotUdf:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("row", rows_of("windows"))
def test_a_vm_gets_an_empty_disk_its_medium_and_its_answers(row: str, medium: Path, tmp_path: Path) -> None:
    entry, places = systems()[row], Places(tmp_path, "http://i.test")
    assert (entry.installable, entry.answers_on_disc) == (True, True)
    database, keys = new_database(tmp_path), new_keys(tmp_path)
    digest, size = sha256_of(medium)
    places.media(digest).parent.mkdir(parents=True)
    places.media(digest).write_bytes(medium.read_bytes())
    add_media(database, digest, "http://i.test/x.iso", os=row, kind="iso", state=MediaState.AVAILABLE)
    spec = a_spec(os=row, users=KEYED_USERS, firmware=entry.firmware[-1])
    add_vm(database, keys, spec, KEYED_SECRETS)
    store = MasterStore(tmp_path)
    sources = Sources(store, places, database)
    facts = Builder(database, keys, places, sources, Installations(store, places, sources)).build(a_step(spec)).facts
    root, installer, seed = (load(DiskPlan, disk) for disk in facts["disks"])
    assert (root.role, root.base, installer.device, seed.device) == ("root", None, "cdrom", "cdrom")
    assert installer.base is not None
    assert (installer.base.format, installer.base.size, installer.base.shared) == ("iso", size, True)
    assert installer.base.sha256 != digest
    assert load(Devices, facts["devices"]) == entry.devices
    disc = pycdlib.PyCdlib()
    disc.open(str(places.image(VM_ID) / SEED))
    assert disc.pvd.volume_identifier.rstrip() == b"INNKEEPER"
    out = BytesIO()
    disc.get_file_from_iso_fp(out, joliet_path="/autounattend.xml")
    disc.close()
    assert out.getvalue() == seed_files(entry, VM_ID, spec, KEYED_SECRETS)["autounattend.xml"]
