# SPDX-License-Identifier: Apache-2.0
"""A bootable BIOS disk without loop devices, mounts or root: MBR, GRUB in the gap, one ext4 partition.

sector 0      GRUB's boot.img with the partition table
sector 1...   GRUB's core.img, up to the first partition
sector 2048   ext4
"""

import struct
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.imagebuilder.masters.programs import run

SECTOR = 512
FIRST = 2048  # the partition's first sector: 1 MiB
GRUB = Path("/usr/lib/grub/i386-pc")
_MODULES = ("biosdisk", "part_msdos", "part_gpt", "ext2", "linux", "normal", "configfile", "search_label", "echo")


def partition_table(sectors: int) -> bytes:
    """The 64 bytes with one bootable Linux partition up to the end of a disk of `sectors`."""
    # Cylinder numbers at their limit: "use the sector numbers".
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", FIRST, sectors - FIRST)
    return entry + bytes(48)


def master_boot_record(boot_img: bytes, sectors: int, signature: int) -> bytes:
    """Sector 0: GRUB's boot code, the disk's signature, the partition table."""
    return boot_img[:440] + struct.pack("<IH", signature, 0) + partition_table(sectors) + b"\x55\xaa"


def write_boot_loader(disk: Path, label: str, work: Path) -> None:
    """Put GRUB before the partition whose ext4 is labelled `label`; it reads /boot/grub/grub.cfg there."""
    early, core = work / "early.cfg", work / "core.img"
    early.write_text(f"search.fs_label {label} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    run(
        [
            "grub-mkimage",
            "-O",
            "i386-pc",
            "-d",
            str(GRUB),
            "-p",
            "/boot/grub",
            "-c",
            str(early),
            "-o",
            str(core),
            *_MODULES,
        ]
    )
    image = core.read_bytes()
    if len(image) > (FIRST - 1) * SECTOR:
        raise ImageFailed(f"GRUB's core image has {len(image)} bytes and doesn't fit before the partition")
    sectors = disk.stat().st_size // SECTOR
    # A fixed signature: the same recipe gives the same disk.
    record = master_boot_record((GRUB / "boot.img").read_bytes(), sectors, signature=0x1AA17EE9)
    with open(disk, "r+b") as file:
        file.write(record)
        file.write(image)
