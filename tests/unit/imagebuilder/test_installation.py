# SPDX-License-Identifier: Apache-2.0
"""An installation image is its medium's master with answers in one slot; it reaches a host the way it can have it."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.common.catalog import systems, template
from services.common.catalog.entries import MasterPlan
from services.common.contracts.errors import ImageFailed
from services.common.contracts.states import MediaState
from services.common.formats.spliced import Spliced
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.delivery import LADDER, installer_disk
from services.imagebuilder.installation import Installation, Installations, Wanted, recipe_of
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.places import Places
from services.imagebuilder.sources import Sources
from tests.support.bootable import make_medium
from tests.support.imaging import PROJECT, SECRETS, VM_ID, Told, a_spec, add_media, new_database

ROW = replace(
    systems()["debian-12-image"], name="some-os", source="media", master=MasterPlan("/innkeeper/answers.cpio", 64)
)


@dataclass(frozen=True)
class House:
    """What an image is made with."""

    places: Places
    installations: Installations

    def write(self, hostname: str = "web-1") -> Installation:
        wanted = Wanted(VM_ID, PROJECT, ROW, a_spec(os="some-os", hostname=hostname), SECRETS)
        return self.installations.write(wanted, Told())


@pytest.fixture
def house(tmp_path: Path) -> House:
    places, database = Places(tmp_path / "state", "http://images:8090"), new_database(tmp_path)
    store = MasterStore(places.state_dir)
    draft = tmp_path / "medium.iso"
    make_medium(draft, 1 << 20, tmp_path / "scratch")
    digest, _size = sha256_of(draft)
    places.media(digest).parent.mkdir(parents=True)
    draft.rename(places.media(digest))
    changes = {"os": "some-os", "kind": "iso", "state": MediaState.AVAILABLE}
    add_media(database, digest, "http://example.org/medium.iso", **changes)
    return House(places, Installations(store, places, Sources(store, places, database)))


def test_only_the_slot_differs_from_the_master(house: House) -> None:
    made = house.write()
    slot = made.master.layout.slot("answers")
    with Spliced(made.overlay) as image:
        whole = b"".join(image.chunks())
    master = made.master.path.read_bytes()
    assert len(whole) == len(master)
    assert whole[: slot.offset] == master[: slot.offset]
    assert whole[slot.offset + slot.size :] == master[slot.offset + slot.size :]
    answers = whole[slot.offset : slot.offset + slot.size]
    assert b"answers/seed/user-data" in answers
    assert b"web-1" in answers


def test_the_same_order_gives_the_same_bytes_and_another_one_others(house: House) -> None:
    first = house.write().overlay.read_bytes()
    assert house.write().overlay.read_bytes() == first
    assert house.write("web-2").overlay.read_bytes() != first


def test_a_host_that_can_gets_an_overlay_that_names_its_master_as_it_lies_there(house: House) -> None:
    made = house.write()
    disk = installer_disk(house.places, VM_ID, made, ["iso-overlay"])
    assert (disk.role, disk.device) == ("installer", "cdrom")
    assert disk.base is not None
    assert disk.backing is not None
    assert (disk.base.format, disk.base.shared, disk.base.url) == (
        "qcow2",
        False,
        f"http://images:8090/images/{VM_ID}/install.qcow2",
    )
    assert (disk.backing.sha256, disk.backing.shared) == (made.master.sha256, True)
    assert disk.backing.size == made.master.path.stat().st_size
    assert f"../../masters/{made.master.sha256}".encode() in made.overlay.read_bytes()[:1024]


def test_any_other_host_gets_the_whole_image_with_its_sum(house: House) -> None:
    made = house.write()
    disk = installer_disk(house.places, VM_ID, made, [])
    with Spliced(made.overlay) as image:
        whole = b"".join(image.chunks())
    assert disk.backing is None
    assert disk.base is not None
    assert (disk.base.sha256, disk.base.size) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert disk.base.url == f"http://images:8090/images/{VM_ID}/install.iso"
    assert house.places.overlay(f"/images/{VM_ID}/install.iso") == made.overlay
    assert LADDER[-1].capability == ""


def test_a_row_that_does_not_say_how_its_medium_starts_is_refused() -> None:
    with pytest.raises(ImageFailed, match="not known yet"):
        recipe_of(replace(ROW, master=None))


def test_a_medium_without_the_boot_menu_of_its_row_is_refused_and_leaves_nothing(house: House) -> None:
    row = replace(ROW, master=MasterPlan("/innkeeper/answers.cpio", 64, {"/isolinux/txt.cfg": "meta-data.j2"}))
    with pytest.raises(ImageFailed, match=r"has no /isolinux/txt\.cfg"):
        house.installations.master(row, PROJECT, Told())
    partial = house.places.state_dir / "masters" / "partial"
    assert [path for path in partial.iterdir() if path.suffix == ".d"] == []


def test_a_row_whose_answers_come_on_a_disc_boots_the_medium_itself_or_one_with_our_menu(house: House) -> None:
    plain = replace(ROW, master=MasterPlan())
    medium = house.installations.medium(plain, PROJECT, Told())
    assert plain.answers_on_disc
    assert (medium.shared, house.places.media(medium.sha256).stat().st_size) == (True, medium.size)
    menu = replace(ROW, master=MasterPlan(menus={"/boot/grub/grub.cfg": "meta-data.j2"}))
    other = house.installations.medium(menu, PROJECT, Told())
    assert other.sha256 != medium.sha256
    path = house.places.find(f"/artifacts/{other.sha256}")
    assert path is not None
    assert template("debian", "meta-data.j2").encode() in path.read_bytes()
