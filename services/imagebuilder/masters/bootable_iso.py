# SPDX-License-Identifier: Apache-2.0
"""An installation medium of our own that boots by BIOS and by UEFI, from a disc and from a stick.

GRUB is on it twice: as an El Torito image, and in a FAT file system behind the ISO 9660 that El Torito and the
partition table both name, the way Debian and Ubuntu make theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.imagebuilder.masters.disk import GRUB, GRUB_EFI, fat, grub
from services.imagebuilder.masters.programs import need, run

_MODULES = ("iso9660", "part_msdos", "part_gpt", "linux", "normal", "configfile", "search_fs_file", "echo", "boot")
_MENU = "/boot/grub/grub.cfg"
_EARLY = f"search.file {_MENU} root\nset prefix=($root)/boot/grub\nconfigfile {_MENU}\n"
_BIOS = "boot/grub/bios.img"
_EFI_KIB = 2880
# GPT's types: basic data for the ISO 9660, EFI system partition for the FAT.
_BASIC_DATA, _ESP = "a2a0d0ebe5b9334487c068b6b72699c7", "28732ac11ff8d211ba4b00a0c93ec93b"


@dataclass(frozen=True)
class Medium:
    """What is on it: path -> file; `menu` is GRUB's whole configuration, `volume` what the volume is called."""

    files: Mapping[str, Path]
    menu: str
    volume: str


def bootable_iso(medium: Medium, out: Path, work: Path, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Write `out`; `work` is a folder for scratch. ImageFailed when a program is missing or fails."""
    files = (str(GRUB / "boot_hybrid.img"), str(GRUB_EFI / "moddep.lst"))
    need("making an installation medium", ["grub-mkimage", "xorriso", "mformat", "mcopy", *files])
    early, menu, efi = work / "early.cfg", work / "grub.cfg", work / "efi.img"
    early.write_text(_EARLY)
    menu.write_text(medium.menu)
    bios = grub("i386-pc-eltorito", early, work / "bios.img", ("biosdisk", *_MODULES))
    loader = grub("x86_64-efi", early, work / "bootx64.efi", _MODULES)
    with open(efi, "wb") as file:
        file.truncate(_EFI_KIB * 1024)
    fat(str(efi), _EFI_KIB * 2, loader)
    placed = {_MENU.lstrip("/"): menu, _BIOS: bios, **{path.lstrip("/"): file for path, file in medium.files.items()}}
    grafted = [f"{path}={file}" for path, file in placed.items()]
    run([*_MKISOFS, "-V", medium.volume, *_boot(efi), "-o", str(out), "-graft-points", *grafted], on_line)


_MKISOFS = ("xorriso", "-no_rc", "-as", "mkisofs", "-R", "-J", "-iso-level", "3")


def _boot(efi: Path) -> list[str]:
    plain = ["-b", _BIOS, "-c", "boot/catalog", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    hybrid = ["--grub2-boot-info", "--grub2-mbr", str(GRUB / "boot_hybrid.img"), "-partition_offset", "16"]
    partition = ["-append_partition", "2", _ESP, str(efi), "-appended_part_as_gpt", "-iso_mbr_part_type", _BASIC_DATA]
    entry = ["-eltorito-alt-boot", "-e", "--interval:appended_partition_2:::", "-no-emul-boot"]
    return [*plain, *hybrid, *partition, *entry, "-boot-load-size", str(_EFI_KIB * 2)]
