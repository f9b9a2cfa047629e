# SPDX-License-Identifier: Apache-2.0
"""An installation medium that writes a finished system to a disk: kernel, our installer, and the system's disk.

The disk comes as a squashfs of its raw image, with a list of the MiB that aren't empty: those alone are written. What
is of one machine (its answers) is in a slot of the medium, which the kernel unpacks beside the initramfs.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import cpio
from services.imagebuilder.masters.boot_kernel import RELEASE, boot_kernel, initramfs
from services.imagebuilder.masters.bootable_iso import Medium, bootable_iso
from services.imagebuilder.masters.disk import root_offset
from services.imagebuilder.masters.programs import need, run
from services.imagebuilder.masters.store import Built

VOLUME = "INNKEEPER"
# Changes when this code builds something else from the same files.
VERSION = 3
MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_scsi",
    "virtio_blk",
    "sr_mod",
    "sd_mod",
    "isofs",
    "loop",
    "squashfs",
    "ext4",
    "ata_piix",
    "nvme",
    "vmw_pvscsi",
    "virtio_rng",
)
APPLETS = tuple(
    """awk blockdev cat chmod cp cut dd dmesg insmod kill losetup mkdir mkfifo mount printf reboot sed sh sleep sync
    tail tr umount usleep""".split()  # noqa: SIM905
)
_KERNEL = "console=tty0 console=ttyS0 quiet loglevel=3 tsc=reliable no_timer_check panic=30 random.trust_cpu=on"
MENU = f"""set timeout=0
linux /innkeeper/vmlinuz {_KERNEL}
initrd /innkeeper/initrd /innkeeper/answers.cpio
boot
"""
_INIT = Path(__file__).parent / "guest" / "install.sh"
_MIB = 1 << 20
PIECE_MIB = 32  # an installation tells how far it is after each


@lru_cache
def recipe_key(name: str, system: str) -> str:
    """What the medium is kept under; `system` is the key of the disk on it."""
    digest = hashlib.sha256(repr((VERSION, RELEASE, MODULES, APPLETS, MENU, system)).encode())
    digest.update(_INIT.read_bytes())
    return f"{name}-{digest.hexdigest()[:16]}"


def build(files: Mapping[str, Path], work: Path, progress: Progress) -> Built:
    """Make the medium in `work` of a system's files (its role `root`: a qcow2)."""
    need("making an installation medium of a disk", ["qemu-img", "mksquashfs"])
    boot = boot_kernel(work, MODULES, lambda percent, text: progress((percent or 0) / 2, text))
    initrd = work / "initrd"
    initrd.write_bytes(initramfs(_INIT.read_bytes(), APPLETS, boot, {name: cpio.folder() for name in ("dev", "etc")}))
    progress(30, "packing the system's disk")
    packed = _packed_disk(files["root"], work)
    progress(80, "writing the medium")
    out = work / "medium.iso"
    contents = {
        "/innkeeper/vmlinuz": boot.kernel,
        "/innkeeper/initrd": initrd,
        "/innkeeper/disk.squashfs": packed,
    }
    bootable_iso(Medium(contents, MENU, VOLUME), out, work)
    return Built({"iso": (out, "iso")})


def _packed_disk(image: Path, work: Path) -> Path:
    tree = work / "image"
    tree.mkdir()
    disk = tree / "disk"
    run(["qemu-img", "convert", "-O", "raw", str(image), str(disk)])
    size = disk.stat().st_size
    if size % _MIB:
        raise ImageFailed(f"the system's disk has {size} bytes, no whole number of MiB")
    (tree / "size").write_text(f"{size}\n")
    (tree / "root").write_text(f"{root_offset(disk)}\n")
    (tree / "extents").write_text("".join(f"{start} {count}\n" for start, count in extents(disk)))
    packed = work / "disk.squashfs"
    options = ["-comp", "lz4", "-b", "256K", "-noappend", "-all-root", "-no-progress"]
    run(["mksquashfs", str(tree), str(packed), *options])
    return packed


def extents(disk: Path) -> Iterator[tuple[int, int]]:
    """(first, count) in MiB of what isn't empty, in pieces; without the first MiB, which makes the disk bootable."""
    empty, start, number = bytes(_MIB), 0, 1
    with open(disk, "rb") as file:
        file.seek(_MIB)
        while content := file.read(_MIB):
            if start and (content == empty or number - start == PIECE_MIB):
                yield start, number - start
                start = 0
            if content != empty:
                start = start or number
            number += 1
    if start:
        yield start, number - start
