# SPDX-License-Identifier: Apache-2.0
"""A synthetic hybrid installation medium: ISO 9660 with El Torito and an MBR, and filler of any size."""

import shutil
import subprocess
from pathlib import Path

from tests.support.missing import missing

GRUB_CFG = b"menuentry 'Install' {\n  linux /vmlinuz\n  initrd /initrd.gz\n}\n"
KERNEL = b"kernel" * 1000
_DATE = "2026010203040500"


def xorriso(*words: str) -> str:
    """Run it; what it said."""
    program = shutil.which("xorriso")
    if program is None:
        missing("xorriso; install: apt-get install xorriso")
    done = subprocess.run([program, "-no_rc", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def make_medium(path: Path, filler: int, scratch: Path) -> None:
    """Write the medium, with `filler` bytes of zeros in it beside a kernel, a menu and a checksum list."""
    tree = scratch / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_bytes(GRUB_CFG)
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
    xorriso(*plain, "-o", str(path), str(tree))
    shutil.rmtree(tree)
