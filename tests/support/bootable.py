# SPDX-License-Identifier: Apache-2.0
"""Synthetic hybrid installation media: ISO 9660 with El Torito and an MBR or a GPT, and filler of any size."""

import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.support.missing import missing

GRUB_CFG = b"menuentry 'Install' {\n  linux /vmlinuz\n  initrd /initrd.gz\n}\n"
KERNEL = b"kernel" * 1000
ESP = b"EFI system partition".ljust(2048, b"-") * 512
_DATE = "2026010203040500"
# How Debian and Ubuntu have made theirs since 2020: the ESP behind the ISO 9660, found by El Torito and by GPT.
_BASIC_DATA, _ESP = "a2a0d0ebe5b9334487c068b6b72699c7", "28732ac11ff8d211ba4b00a0c93ec93b"


def xorriso(*words: str) -> str:
    """Run it; what it said."""
    program = shutil.which("xorriso")
    if program is None:
        missing("xorriso; install: apt-get install xorriso")
    done = subprocess.run([program, "-no_rc", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def make_medium(path: Path, filler: int, scratch: Path, uefi: bool = False, menus: Collection[str] = ()) -> None:
    """Write a medium for BIOS, and for UEFI if asked.

    It has `filler` bytes of zeros beside a kernel, a menu (and `menus`, at these places, with texts of their own if
    given) and a checksum list.
    """
    tree = scratch / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_bytes(GRUB_CFG)
    for menu in menus:
        (tree / menu.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tree / menu.lstrip("/")).write_bytes(menus[menu] if isinstance(menus, Mapping) else GRUB_CFG)
    (tree / "vmlinuz").write_bytes(KERNEL)
    (tree / "initrd.gz").write_bytes(b"initrd" * 1000)
    (tree / "boot/loader.img").write_bytes(bytes(range(256)) * 8)
    sums = "".join(f"{'0' * 32}  ./{name}\n" for name in ("boot/grub/grub.cfg", "vmlinuz"))
    (tree / "md5sum.txt").write_text(sums)
    with open(tree / "filler", "wb") as file:
        file.truncate(filler)
    mbr = scratch / "mbr.img"
    mbr.write_bytes(b"\xfa\xeb\xfe".ljust(432, b"\x90"))
    boot = ["-b", "boot/loader.img", "-c", "boot/catalog", "-no-emul-boot", "-boot-load-size", "4"]
    hybrid = ["--grub2-mbr", str(mbr), "-partition_offset", "16", f"--modification-date={_DATE}"]
    plain = ["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "SYNTHETIC", *boot, "-boot-info-table", *hybrid]
    xorriso(*plain, *(_uefi(scratch) if uefi else ()), "-o", str(path), str(tree))
    shutil.rmtree(tree)


def _uefi(scratch: Path) -> list[str]:
    image = scratch / "esp.img"
    image.write_bytes(ESP)
    partition = ["-append_partition", "2", _ESP, str(image), "-appended_part_as_gpt", "-iso_mbr_part_type", _BASIC_DATA]
    entry = ["-eltorito-alt-boot", "-e", "--interval:appended_partition_2:::", "-no-emul-boot"]
    return [*partition, *entry, "-boot-load-size", str(len(ESP) // 512)]
