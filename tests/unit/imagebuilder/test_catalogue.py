# SPDX-License-Identifier: Apache-2.0
"""The catalogue: whole, buildable here, and clear about everything that is wrong with it."""

from pathlib import Path

import pytest

from services.common.catalog import CatalogError, load_catalogue, systems
from services.imagebuilder.catalogue_check import check_catalogue
from services.imagebuilder.masters.debian import read_recipe

ROW = """
systems:
  toy-1:
    display_name: Toy
    version: "1"
    arch: x86_64
    min_memory_mib: 64
    min_disk_gib: 0
    delivery: direct-kernel
    source: mini
    seed: {meta-data: meta-data.j2}
    network: {network-config: cloud_init_v2}
"""


def family(folder: Path, name: str, text: str, templates: tuple[str, ...] = ("meta-data.j2",)) -> None:
    (folder / name).mkdir()
    (folder / name / "os.yaml").write_text(text)
    for template in templates:
        (folder / name / template).write_text("x: {{ hostname }}\n")


def test_the_catalogue_can_be_built_here() -> None:
    check_catalogue()
    assert {"mini", "debian-12", "debian-13", "ubuntu-24.04"} <= set(systems())


def test_a_new_os_is_a_folder(tmp_path: Path) -> None:
    family(tmp_path, "toy", ROW)
    entry = load_catalogue(tmp_path).systems["toy-1"]
    assert (entry.family, entry.display_name, entry.guest_agent) == ("toy", "Toy", False)


def test_a_cloud_image_without_a_recipe_says_where_its_media_come_from(tmp_path: Path) -> None:
    assert systems()["debian-13"].needs_media
    family(tmp_path, "toy", ROW.replace("source: mini", "source: media"))
    with pytest.raises(CatalogError, match=r"toy/os.yaml: systems.toy-1.needs_media: missing"):
        load_catalogue(tmp_path)


def test_every_problem_is_in_one_message_with_file_and_key(tmp_path: Path) -> None:
    family(tmp_path, "a", ROW.replace("direct-kernel", "carrier-pigeon").replace('    version: "1"\n', ""), ())
    family(tmp_path, "b", ROW.replace("toy-1", "toy-2") + "    colour: red\n    unsupported: [wings]\n")
    family(tmp_path, "c", "systems: [1, 2]")
    family(tmp_path, "e", ROW.replace("toy-1", "toy-3") + "    devices: {disk: floppy, secure_boot: maybe}\n")
    family(tmp_path, "f", ROW.replace("toy-1", "toy-4") + "    devices: {wheels: 4}\n")
    (tmp_path / "d").mkdir()
    with pytest.raises(CatalogError) as wrong:
        load_catalogue(tmp_path)
    for part in (
        "a/os.yaml: systems.toy-1.delivery",
        "a/os.yaml: systems.toy-1.version: missing",
        "no template 'meta-data.j2' in a/",
        "b/os.yaml: systems.toy-2.colour: unknown key",
        "b/os.yaml: systems.toy-2.unsupported",
        "c/os.yaml: not a mapping",
        "d/os.yaml: missing",
        "e/os.yaml: systems.toy-3.devices.disk: 'floppy' is none of virtio, sata",
        "e/os.yaml: systems.toy-3.devices.secure_boot: 'maybe' is none of True, False",
        "f/os.yaml: systems.toy-4.devices: not a mapping",
    ):
        assert part in str(wrong.value)


def test_a_name_belongs_to_one_family(tmp_path: Path) -> None:
    family(tmp_path, "a", ROW)
    family(tmp_path, "b", ROW)
    with pytest.raises(CatalogError, match=r"b/os.yaml: systems.toy-1: the name is taken by family a"):
        load_catalogue(tmp_path)


def test_the_debian_recipe_is_well_formed() -> None:
    recipe = read_recipe("debian-12")
    assert recipe.release == "bookworm"
    assert recipe.label in recipe.files["/etc/fstab"]
    assert recipe.label in recipe.files["/boot/grub/grub.cfg"]
    assert {"cloud-init", "python3", "qemu-guest-agent"} <= set(recipe.packages)
