# SPDX-License-Identifier: Apache-2.0
"""ESXi's medium comes to install by itself: its boot.cfg gets one word more, and its answers lie on a disc beside it.

The media are synthetic: what VMware's installer makes of them is not shown here.
"""

from io import BytesIO
from pathlib import Path

import pycdlib
import pytest

from services.common.catalog import systems
from services.common.contracts.codec import load
from services.common.contracts.commands import DiskPlan
from services.common.contracts.errors import ImageFailed
from services.common.contracts.states import MediaState
from services.imagebuilder.build import Builder
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.installation import Installations, recipe_of
from services.imagebuilder.iso import iso_image
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.places import SEED, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.edits import with_words
from services.imagebuilder.slots.master import ensure_slotted
from services.imagebuilder.sources import Sources
from tests.support.answers import KEYED_SECRETS, KEYED_USERS, rows_of
from tests.support.bootable import ESP, make_medium, xorriso
from tests.support.imaging import VM_ID, Told, a_spec, a_step, add_media, add_vm, new_database, new_keys

ROWS = rows_of("esxi")
# As VMware writes them: every build lists other modules.
BOOT_CFG = b"""bootstate=0
title=Loading ESXi installer
timeout=5
prefix=
kernel=/b.b00
kernelopt=runweasel cdromBoot
modules=/jumpstrt.gz --- /useropts.gz --- /features.gz --- /k.b00
build=8.0.2-0.0.22380479
updated=0
"""
EDITED = BOOT_CFG.replace(b"cdromBoot\n", b"cdromBoot ks=cdrom:/KS.CFG\n")
MENUS = {"/boot.cfg": BOOT_CFG, "/efi/boot/boot.cfg": BOOT_CFG.replace(b"=/", b"=")}


def made_of(medium: Path, row: str, tmp_path: Path) -> Path:
    return ensure_slotted(MasterStore(tmp_path), medium, sha256_of(medium)[0], recipe_of(systems()[row]), Told()).path


def tree_of(image: Path, out: Path) -> dict[str, bytes]:
    """Every file of an image, by its path."""
    xorriso("-osirrox", "on", "-indev", str(image), "-extract", "/", str(out))
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def bare(image: Path, path: str) -> bytes:
    """A file by its bare ISO 9660 name, which is what ESXi's loader and installer go by."""
    reader, out = pycdlib.PyCdlib(), BytesIO()
    reader.open(str(image))
    reader.get_file_from_iso_fp(out, iso_path=path)
    reader.close()
    return out.getvalue()


def boots_by(image: Path) -> list[str]:
    """How an image is booted, by El Torito: platform and size of each entry, wherever it lies."""
    said = xorriso("-indev", str(image), "-report_el_torito", "plain")
    return [" ".join(line.split()[:-1]) for line in said.splitlines() if line.startswith("El Torito boot img :")]


@pytest.mark.parametrize("row", ROWS)
def test_the_menus_stay_the_vendors_but_for_the_word_that_names_the_answers(row: str, tmp_path: Path) -> None:
    medium = tmp_path / "medium.iso"
    make_medium(medium, 1 << 16, tmp_path / "scratch", uefi=True, menus=MENUS)
    master = made_of(medium, row, tmp_path)
    before, after = tree_of(medium, tmp_path / "before"), tree_of(master, tmp_path / "after")
    assert after["boot.cfg"] == EDITED
    assert after["efi/boot/boot.cfg"] == EDITED.replace(b"=/", b"=")
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # The other two say where on the medium things lie.
    assert changed == {"boot.cfg", "efi/boot/boot.cfg", "boot/catalog", "boot/loader.img"}
    assert bare(master, "/BOOT.CFG;1") == EDITED
    assert bare(master, "/EFI/BOOT/BOOT.CFG;1") == EDITED.replace(b"=/", b"=")
    assert len(boots_by(medium)) == 2
    assert boots_by(master) == boots_by(medium)
    assert ESP in master.read_bytes()


def test_a_medium_with_bare_names_is_found_in_capitals_and_keeps_them(tmp_path: Path) -> None:
    tree, medium = tmp_path / "tree", tmp_path / "medium.iso"
    for path, text in {**MENUS, "/isolinux.bin": b"loader" * 1000}.items():
        (tree / path.upper().lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tree / path.upper().lstrip("/")).write_bytes(text)
    boot = ["-b", "ISOLINUX.BIN", "-c", "BOOT.CAT", "-no-emul-boot", "-boot-load-size", "4"]
    xorriso("-as", "mkisofs", "-quiet", "--norock", "-V", "ESXI", *boot, "-o", str(medium), str(tree))
    after = tree_of(made_of(medium, "esxi-8", tmp_path), tmp_path / "after")
    assert after["BOOT.CFG"] == EDITED
    assert after["EFI/BOOT/BOOT.CFG"] == EDITED.replace(b"=/", b"=")


@pytest.mark.parametrize(
    "menus, reason",
    [
        ({}, r"has no /boot\.cfg"),
        ({"/boot.cfg": BOOT_CFG}, r"has no /efi/boot/boot\.cfg"),
        ({**MENUS, "/boot.cfg": b"title=Other\n"}, r"/boot\.cfg of the medium has 0 lines kernelopt="),
        ({**MENUS, "/BOOT.CFG": BOOT_CFG}, r"both spellings of /boot\.cfg"),
    ],
)
def test_another_systems_medium_is_refused(menus: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    medium = tmp_path / "medium.iso"
    make_medium(medium, 1 << 16, tmp_path / "scratch", menus=menus)
    with pytest.raises(ImageFailed, match=reason):
        made_of(medium, "esxi-7", tmp_path)


@pytest.mark.parametrize(
    "line, after",
    [
        (b"kernelopt=\n", b"kernelopt=ks=cdrom:/KS.CFG\n"),
        (b"kernelopt=cdromBoot runweasel  \r\n", b"kernelopt=cdromBoot runweasel ks=cdrom:/KS.CFG\r\n"),
        (b"kernelopt=runweasel", b"kernelopt=runweasel ks=cdrom:/KS.CFG"),
        (b"kernelopt=runweasel ks=cdrom:/KS.CFG\n", b"kernelopt=runweasel ks=cdrom:/KS.CFG\n"),
    ],
)
def test_words_are_added_once_and_line_ends_stay(line: bytes, after: bytes) -> None:
    text = b"title=kernelopt\n# kernelopt=x\n%s"
    assert with_words("/boot.cfg", text % line, "kernelopt=ks=cdrom:/KS.CFG") == text % after


@pytest.mark.parametrize("row", ROWS)
def test_a_vm_gets_an_empty_disk_the_medium_and_its_answers_by_their_bare_name(row: str, tmp_path: Path) -> None:
    entry, spec = systems()[row], a_spec(os=row, users=KEYED_USERS)
    places, database, keys = Places(tmp_path, "http://i.test"), new_database(tmp_path), new_keys(tmp_path)
    draft = tmp_path / "medium.iso"
    make_medium(draft, 1 << 16, tmp_path / "scratch", menus=MENUS)
    digest, _ = sha256_of(draft)
    places.media(digest).parent.mkdir(parents=True)
    draft.rename(places.media(digest))
    add_media(database, digest, "http://i.test/x.iso", os=row, kind="iso", state=MediaState.AVAILABLE)
    add_vm(database, keys, spec, KEYED_SECRETS)
    store = MasterStore(tmp_path)
    sources = Sources(store, places, database)
    builder = Builder(database, keys, places, sources, Installations(store, places, sources))
    facts = builder.build(a_step(spec)).facts
    root, medium, seed = (load(DiskPlan, disk) for disk in facts["disks"])
    assert (root.role, root.base, medium.device, seed.device) == ("root", None, "cdrom", "cdrom")
    assert medium.base is not None
    assert b"ks=cdrom:/KS.CFG" in store.path(medium.base.sha256).read_bytes()
    assert (facts["devices"]["disk"], facts["devices"]["nic"]) == ("sata", "e1000e")
    disc = (places.image(VM_ID) / SEED).read_bytes()
    files = seed_files(entry, VM_ID, spec, KEYED_SECRETS)
    assert disc == iso_image(files, entry.label)
    assert bare(places.image(VM_ID) / SEED, "/KS.CFG;1") == files["KS.CFG"]
