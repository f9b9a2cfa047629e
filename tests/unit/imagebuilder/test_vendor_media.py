# SPDX-License-Identifier: Apache-2.0
"""How each vendor's medium comes to install by itself: a disc beside it that its installer looks for and, where its own
menu would ask, a menu of ours. The media are synthetic: what a vendor's installer makes of it is not shown here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from services.common.catalog import systems, template
from services.common.contracts.codec import load
from services.common.contracts.commands import DiskPlan
from services.common.contracts.errors import ImageFailed
from services.common.contracts.states import MediaState
from services.imagebuilder.build import Builder
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.installation import Installations, recipe_of
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.places import SEED, Places
from services.imagebuilder.seed import seed_files
from services.imagebuilder.slots.master import ensure_slotted
from services.imagebuilder.sources import Sources
from tests.support.answers import rows_of
from tests.support.bootable import make_medium, xorriso
from tests.support.imaging import SECRETS, VM_ID, Told, a_spec, a_step, add_media, add_vm, new_database, new_keys
from tests.support.missing import missing

ANACONDA = [*rows_of("el"), *rows_of("fedora")]
UBUNTU = rows_of("ubuntu-installer")
AGAMA = ["sles-16-installer"]
AUTOYAST = [row for row in rows_of("suse") if row not in AGAMA]
DEBIAN = [row for row in rows_of("debian-installer") if systems()[row].source == "media"]
WITH_A_MENU = [*UBUNTU, *AGAMA, *AUTOYAST, *DEBIAN]
# What each installer looks for by itself: the label of a volume, and a file at its root.
LOOKED_FOR = {
    **dict.fromkeys(ANACONDA, ("OEMDRV", "ks.cfg")),
    **dict.fromkeys(UBUNTU, ("CIDATA", "user-data")),
    **dict.fromkeys(AGAMA, ("OEMDRV", "autoinst.json")),
    **dict.fromkeys(AUTOYAST, ("OEMDRV", "autoinst.xml")),
}
WORDS = {
    **dict.fromkeys(UBUNTU, ("/casper/vmlinuz autoinstall ", "/casper/initrd")),
    **dict.fromkeys(AGAMA, ("/boot/x86_64/loader/linux ", "/boot/x86_64/loader/initrd")),
    **dict.fromkeys(
        DEBIAN, ("/install.amd/vmlinuz", "/install.amd/initrd.gz", "/innkeeper/answers.cpio", " auto=true ")
    ),
    **dict.fromkeys(AUTOYAST, ("default linux\n", "prompt 0\n", "kernel linux\n", "initrd=initrd ")),
}


@pytest.mark.parametrize("row", LOOKED_FOR)
def test_the_answers_come_on_a_disc_as_the_installer_looks_for_it(row: str) -> None:
    entry, (label, name) = systems()[row], LOOKED_FOR[row]
    assert entry.installable
    assert entry.answers_on_disc
    assert entry.label == label
    assert name in seed_files(entry, VM_ID, a_spec(os=row), SECRETS)


@pytest.mark.parametrize("row", ANACONDA)
def test_anacondas_medium_boots_as_it_is(row: str) -> None:
    plan = systems()[row].master
    assert plan is not None
    assert not plan.menus


@pytest.mark.parametrize("row", WITH_A_MENU)
def test_a_master_has_our_menu_in_place_of_the_one_that_asks(row: str, tmp_path: Path) -> None:
    entry, medium = systems()[row], tmp_path / "medium.iso"
    assert entry.master is not None
    make_medium(medium, 1 << 16, tmp_path / "scratch", uefi=True, menus=tuple(entry.master.menus))
    master = ensure_slotted(MasterStore(tmp_path), medium, sha256_of(medium)[0], recipe_of(entry), Told())
    for place, name in entry.master.menus.items():
        out = tmp_path / "menu"
        xorriso("-osirrox", "on", "-indev", str(master.path), "-extract", place, str(out))
        text = out.read_text()
        assert text == template(entry.family, name)
        assert [word for word in WORDS[row] if word not in text] == []
        assert "menuentry" not in text


def test_another_systems_medium_is_refused(tmp_path: Path) -> None:
    medium = tmp_path / "medium.iso"
    make_medium(medium, 1 << 16, tmp_path / "scratch")
    recipe = recipe_of(systems()["sles-16-installer"])
    with pytest.raises(ImageFailed, match=r"has no /boot/grub2/grub\.cfg"):
        ensure_slotted(MasterStore(tmp_path), medium, sha256_of(medium)[0], recipe, Told())


@pytest.mark.parametrize("row", ["rocky-9-installer", "ubuntu-24.04-installer", "sles-15-sp7-installer", *AGAMA])
def test_a_vm_gets_an_empty_disk_its_medium_and_its_answers(row: str, tmp_path: Path) -> None:
    entry, places, database, keys = (
        systems()[row],
        Places(tmp_path, "http://i.test"),
        new_database(tmp_path),
        new_keys(tmp_path),
    )
    assert entry.master is not None
    draft = tmp_path / "medium.iso"
    make_medium(draft, 1 << 16, tmp_path / "scratch", menus=tuple(entry.master.menus))
    digest, size = sha256_of(draft)
    places.media(digest).parent.mkdir(parents=True)
    draft.rename(places.media(digest))
    add_media(database, digest, "http://i.test/x.iso", os=row, kind="iso", state=MediaState.AVAILABLE)
    add_vm(database, keys, a_spec(os=row), SECRETS)
    store = MasterStore(tmp_path)
    sources = Sources(store, places, database)
    builder = Builder(database, keys, places, sources, Installations(store, places, sources))
    facts = builder.build(a_step(a_spec(os=row))).facts
    root, medium, seed = (load(DiskPlan, disk) for disk in facts["disks"])
    assert (root.role, root.base, medium.device, seed.device) == ("root", None, "cdrom", "cdrom")
    assert medium.base is not None
    assert ((medium.base.sha256, medium.base.size) == (digest, size)) != bool(entry.master.menus)
    disc = (places.image(VM_ID) / SEED).read_bytes()
    label, name = LOOKED_FOR[row]
    assert disc[32808:32840].decode().rstrip() == label
    assert seed_files(entry, VM_ID, a_spec(os=row), SECRETS)[name] in disc


@pytest.mark.parametrize("row", [*UBUNTU, *AGAMA])
def test_grub_can_read_our_menu(row: str, tmp_path: Path) -> None:
    program = shutil.which("grub-script-check") or missing("grub-script-check, of the package grub-common")
    entry = systems()[row]
    assert entry.master is not None
    for name in entry.master.menus.values():
        menu = tmp_path / name
        menu.write_text(template(entry.family, name))
        assert subprocess.run([program, str(menu)], capture_output=True, check=False).returncode == 0
        menu.write_text("if true; then\n")
        assert subprocess.run([program, str(menu)], capture_output=True, check=False).returncode
