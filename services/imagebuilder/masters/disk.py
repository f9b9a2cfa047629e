# SPDX-License-Identifier: Apache-2.0
"""A disk that boots by BIOS and by UEFI, without loop devices, mounts or root: GRUB twice, one ext4 partition.

sector 0      GRUB's boot.img with the partition table
sector 1...   GRUB's core.img, up to the first partition
1 MiB         the EFI system partition, FAT: GRUB as EFI/BOOT/BOOTX64.EFI; the table's second entry
9 MiB         ext4, up to the end: the table's first entry, which a first boot may grow
"""

import struct
from collections.abc import Sequence
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters.programs import run

SECTOR = 512
_ESP, _ESP_SECTORS = 2048, 16384
FIRST = _ESP + _ESP_SECTORS  # the root partition's first sector
GRUB = Path("/usr/lib/grub/i386-pc")
GRUB_EFI = Path("/usr/lib/grub/x86_64-efi")
_LINUX, _EFI = 0x83, 0xEF
_MODULES = ("part_msdos", "part_gpt", "ext2", "linux", "normal", "configfile", "search_label", "echo")
# Cylinder numbers at their limit: "use the sector numbers".
_ENTRY, _FAR = struct.Struct("<B3sB3sII"), b"\xfe\xff\xff"


def partition_table(sectors: int) -> bytes:
    """The 64 bytes with a bootable Linux partition up to the end of a disk of `sectors`, and the ESP before it."""
    root = _ENTRY.pack(0x80, _FAR, _LINUX, _FAR, FIRST, sectors - FIRST)
    return root + _ENTRY.pack(0, _FAR, _EFI, _FAR, _ESP, _ESP_SECTORS) + bytes(32)


def master_boot_record(boot_img: bytes, sectors: int, signature: int) -> bytes:
    """Sector 0: GRUB's boot code, the disk's signature, the partition table."""
    return boot_img[:440] + struct.pack("<IH", signature, 0) + partition_table(sectors) + b"\x55\xaa"


def write_boot_loader(disk: Path, label: str, work: Path) -> None:
    """Put GRUB before the partition whose ext4 is labelled `label`; it reads /boot/grub/grub.cfg there."""
    early = work / "early.cfg"
    early.write_text(f"search.fs_label {label} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    image = grub("i386-pc", early, work / "core.img", ("biosdisk", *_MODULES)).read_bytes()
    if len(image) > (_ESP - 1) * SECTOR:
        raise ImageFailed(f"GRUB's core image has {len(image)} bytes and doesn't fit before the partition")
    sectors = disk.stat().st_size // SECTOR
    # A fixed signature: the same recipe gives the same disk.
    record = master_boot_record((GRUB / "boot.img").read_bytes(), sectors, signature=0x1AA17EE9)
    with open(disk, "r+b") as file:
        file.write(record)
        file.write(image)
    fat(f"{disk}@@{_ESP * SECTOR}", _ESP_SECTORS, grub("x86_64-efi", early, work / "bootx64.efi", _MODULES))


def fat(place: str, sectors: int, loader: Path) -> None:
    """Make a FAT at `place` (a file, or file@@offset) with this program for UEFI on it."""
    run(["mformat", "-i", place, "-T", str(sectors), "-h", "16", "-s", "63", "-N", "1aa17ee9", "-v", "ESP", "::"])
    run(["mmd", "-i", place, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", place, str(loader), "::/EFI/BOOT/BOOTX64.EFI"])


def grub(target: str, early: Path, out: Path, modules: Sequence[str]) -> Path:
    """GRUB with these modules as one file, which runs `early` first."""
    folder = GRUB_EFI if target == "x86_64-efi" else GRUB
    command = ["grub-mkimage", "-O", target, "-d", str(folder), "-p", "/boot/grub", "-c", str(early)]
    run([*command, "-o", str(out), *modules])
    return out


def root_offset(disk: Path) -> int:
    """Where the partition whose file system is the root begins, in bytes: the MBR's one of type Linux."""
    with open(disk, "rb") as file:
        table = file.read(512)[446:510]
    for entry in (table[n : n + 16] for n in range(0, 64, 16)):
        if entry[4] == _LINUX:
            return int(struct.unpack_from("<I", entry, 8)[0]) * SECTOR
    raise ImageFailed("the disk has no partition of Linux")
