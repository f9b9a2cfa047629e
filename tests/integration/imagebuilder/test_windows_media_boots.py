# SPDX-License-Identifier: Apache-2.0
"""A real UEFI firmware boots what the boot catalog names, in a machine with the drives a vm of Windows has: of a medium
as it comes the image that waits, of its master the other one. The images are GRUB, which says its name and ends."""

import shutil
import subprocess
from pathlib import Path

import pytest

from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.masters.windows_media import ensure_efi_image
from tests.support.imaging import Told
from tests.support.missing import missing
from tests.support.windows_media import FILES, NOPROMPT, make_windows_medium

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
PROGRAMS = ("qemu-system-x86_64", "grub-mkimage", "mformat", "mmd", "mcopy")


def an_image(folder: Path, word: str) -> bytes:
    """A floppy disk as Microsoft's are, with a loader that says the word on the serial line and turns off."""
    config, loader, floppy = folder / "said.cfg", folder / "BOOTX64.EFI", folder / f"{word}.img"
    config.write_text(f"serial --unit=0\nterminal_output serial\necho BOOTED-{word}\nhalt\n")
    run("grub-mkimage", "-O", "x86_64-efi", "-c", config, "-p", "/", "-o", loader, "echo", "halt", "serial", "terminal")
    floppy.unlink(missing_ok=True)
    run("mformat", "-C", "-f", "1440", "-i", floppy, "::")
    run("mmd", "-i", floppy, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", floppy, loader, "::/EFI/BOOT/BOOTX64.EFI")
    return floppy.read_bytes()


def run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def said(folder: Path, medium: Path) -> str:
    """What a machine says whose empty disk is tried first, then the medium; it has turned itself off by then."""
    disk, serial = folder / "disk.raw", folder / f"{medium.name}.serial"
    with open(disk, "wb") as file:
        file.truncate(1 << 30)
    drives = []
    for name, path, kind, index in (("root", disk, "ide-hd", 1), ("medium", medium, "ide-cd", 2)):
        drives += ["-drive", f"file={path},if=none,id={name},format=raw,readonly={'on' if kind == 'ide-cd' else 'off'}"]
        drives += ["-device", f"{kind},drive={name},bus=ide.{index},bootindex={index}"]
    firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
    machine = ["-machine", "q35,accel=tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot"]
    words = ["qemu-system-x86_64", *machine, *firmware, *drives, "-serial", f"file:{serial}"]
    subprocess.run(words, check=True, capture_output=True, timeout=180)
    return serial.read_text(errors="replace")


@pytest.mark.timeout(400)
def test_the_master_boots_the_image_that_waits_for_nobody(tmp_path: Path) -> None:
    if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
        missing(f"{', '.join(lacking)}; install: apt-get install qemu-system-x86 grub-common grub-efi-amd64-bin mtools")
    if not OVMF.is_file():
        missing(f"{OVMF}; install: apt-get install ovmf")
    waits, goes_on = an_image(tmp_path, "WAITS"), an_image(tmp_path, "GOES-ON")
    medium = tmp_path / "medium.iso"
    make_windows_medium(
        medium, tmp_path, {**FILES, "efi/microsoft/boot/efisys.bin": waits, NOPROMPT.lstrip("/"): goes_on}
    )
    assert "BOOTED-WAITS" in said(tmp_path, medium)
    master, _ = ensure_efi_image(MasterStore(tmp_path), medium, sha256_of(medium)[0], NOPROMPT, Told())
    assert "BOOTED-GOES-ON" in said(tmp_path, master)
