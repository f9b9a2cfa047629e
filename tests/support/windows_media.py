# SPDX-License-Identifier: Apache-2.0
"""Synthetic media laid out as Windows's are: a UDF file system, an ISO 9660 tree with nothing but a readme, and a boot
catalog with an entry for BIOS and one for UEFI, which names the image that waits for a key."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.missing import missing

NOPROMPT = "/efi/microsoft/boot/efisys_noprompt.bin"
# As large as Microsoft's: floppy disks with a FAT.
IMAGE_BYTES = 1474560
FILES = {
    "README.TXT": b"This disc contains a UDF file system.\r\n",
    "boot/etfsboot.com": b"\xfa" * 4096,
    "efi/microsoft/boot/efisys.bin": b"waits for a key.".ljust(IMAGE_BYTES, b"\1"),
    NOPROMPT[1:]: b"waits for nobody".ljust(IMAGE_BYTES, b"\2"),
    "sources/boot.wim": b"MSWIM\0\0\0" * 4096,
    "sources/install.wim": b"MSWIM\0\0\0" * 8192,
}


def make_windows_medium(path: Path, scratch: Path, files: Mapping[str, bytes] = FILES, udf: bool = True) -> None:
    """Write one with these files, or as plain ISO 9660."""
    program = shutil.which("genisoimage")
    if program is None:
        missing("genisoimage; install: apt-get install genisoimage")
    tree = scratch / "windows"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    bios = ["-b", "boot/etfsboot.com", "-no-emul-boot", "-boot-load-size", "8"]
    efi = ["-eltorito-alt-boot", "-e", "efi/microsoft/boot/efisys.bin", "-no-emul-boot", "-boot-load-size", "1"]
    hidden = ["-udf", "-hide", "boot", "-hide", "efi", "-hide", "sources"] if udf else []
    words = [
        "-quiet",
        "-iso-level",
        "4",
        "-V",
        "SSS_X64FRE_EN-US_DV9",
        *bios,
        *efi,
        *hidden,
        "-o",
        str(path),
        str(tree),
    ]
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tree)
