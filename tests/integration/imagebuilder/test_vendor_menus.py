# SPDX-License-Identifier: Apache-2.0
"""Our boot menus, in masters of media that GRUB or isolinux boots as the vendors' do, start the installer's kernel with
nobody choosing, by BIOS and by UEFI. The media are made here, with the mini guest's kernel in the installer's place."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.catalog import systems
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.installation import recipe_of
from services.imagebuilder.masters import Master, MasterStore, cpio
from services.imagebuilder.masters.bootable_iso import Medium, bootable_iso
from services.imagebuilder.slots.master import ensure_slotted
from tests.integration.imagebuilder.conftest import Guest
from tests.support.bootable import xorriso
from tests.support.imaging import Told
from tests.support.missing import missing
from tests.support.unpacked import unpacked

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
INIT = """#!/bin/sh
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
while read -r module; do insmod "/modules/$module"; done </modules/order
tries=0
until port=$(grep -l . /sys/class/virtio-ports/*/name) || [ "$tries" -ge 500 ]; do
    tries=$((tries + 1))
    usleep 20000
done
port=${port%/name}
printf '{"type":"booted","with":"%s"}\\n' "$(cat /proc/cmdline)" >"/dev/${port##*/}"
poweroff -f
"""
# Kernel and initrd as a menu names them, and words that it must give the kernel; Ubuntu's rows have the same menu.
MEDIA = {
    "ubuntu-24.04-installer": ("/casper/vmlinuz", "/casper/initrd", ("autoinstall",)),
    "debian-12-installer": ("/install.amd/vmlinuz", "/install.amd/initrd.gz", ("auto=true", "priority=critical")),
    "sles-16-installer": ("/boot/x86_64/loader/linux", "/boot/x86_64/loader/initrd", ("splash=silent",)),
}
# The vendor's menu, which waits for somebody: nothing boots where it is not replaced.
ASKS = "set timeout=-1\nmenuentry 'Install' { true }\n"


def a_medium(folder: Path, row: str, boots: tuple[Path, Path]) -> Path:
    """A medium that the row's menu has a place on; it reads menus from where the vendor's does."""
    plan, (kernel, initrd, _) = systems()[row].master, MEDIA[row]
    assert plan is not None
    files = {kernel: boots[0], initrd: boots[1]}
    (menu,) = (path for path in plan.menus if path.endswith("grub.cfg"))
    (folder / "asks.cfg").write_text(ASKS)
    elsewhere = menu != "/boot/grub/grub.cfg"
    files |= {path: folder / "asks.cfg" for path in plan.menus if path != menu or elsewhere}
    out = folder / "medium.iso"
    bootable_iso(Medium(files, f"configfile {menu}\n" if elsewhere else ASKS, "VENDOR"), out, folder)
    return out


def boot(folder: Path, row: str, medium: Path, firmware: str = "bios") -> Guest:
    """A machine with the medium's master in its drive, and no disk."""
    if firmware == "uefi" and not OVMF.is_file():
        missing(f"{OVMF}; install: apt-get install ovmf")
    recipe = recipe_of(systems()[row])
    master = ensure_slotted(MasterStore(folder / "state"), medium, sha256_of(medium)[0], recipe, Told())
    arguments = ["-drive", f"file={master.path},if=none,id=cd,format=raw,readonly=on", "-device", "ide-cd,drive=cd"]
    if firmware == "uefi":
        arguments += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
    return Guest(folder, arguments)


@pytest.fixture
def boots(tmp_path: Path, store: MasterStore, mini: Master) -> tuple[Path, Path]:
    """The kernel, and an initrd that tells what it was booted with."""
    initrd = tmp_path / "initrd"
    init = cpio.archive({"init": cpio.file(INIT.encode(), 0o755)})
    initrd.write_bytes(store.path(mini.files["initrd"].sha256).read_bytes() + init)
    return store.path(mini.files["kernel"].sha256), initrd


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("row", MEDIA)
def test_nobody_has_to_choose(
    row: str, firmware: str, tmp_path: Path, boots: tuple[Path, Path], guests: list[Guest]
) -> None:
    guest = boot(tmp_path, row, a_medium(tmp_path, row, boots), firmware)
    guests.append(guest)
    given = guest.message("booted", timeout=60)["with"].split()
    assert {*MEDIA[row][2], "console=tty0"} <= set(given)


@dataclass(frozen=True)
class Isolinux:
    """What a vendor's isolinux menu boots; `first` is what it reads from the start."""

    kernel: str
    initrd: str
    word: str
    first: str = ""


# SUSE has its isolinux look elsewhere from the start.
ELSEWHERE = "default go\nprompt 0\nlabel go\n  config /boot/x86_64/loader/isolinux.cfg /boot/x86_64/loader\n"
ISOLINUX = {
    "sles-15-sp7-installer": Isolinux(
        "boot/x86_64/loader/linux",
        "boot/x86_64/loader/initrd",
        "splash=silent",
        ELSEWHERE,
    ),
    "debian-12-installer": Isolinux("install.amd/vmlinuz", "install.amd/initrd.gz", "priority=critical"),
}


@pytest.mark.parametrize("row", ISOLINUX)
def test_nobody_has_to_choose_in_isolinux_s_menu_either(
    row: str, tmp_path: Path, boots: tuple[Path, Path], guests: list[Guest]
) -> None:
    root, tree, there = unpacked(tmp_path, "isolinux", "syslinux-common"), tmp_path / "tree", ISOLINUX[row]
    (tree / "isolinux").mkdir(parents=True)
    for name in ("ISOLINUX/isolinux.bin", "syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(root / "usr/lib" / name, tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text(there.first)
    plan = systems()[row].master
    assert plan is not None
    asks = "default disk\nprompt 1\ntimeout 0\nlabel disk\n  localboot -2\n"
    for place, content in ((there.kernel, boots[0]), (there.initrd, boots[1])):
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(content, tree / place)
    for menu in plan.menus:
        (tree / menu.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tree / menu.lstrip("/")).write_text(asks)
    medium = tmp_path / "medium.iso"
    where = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4"]
    xorriso("-as", "mkisofs", "-quiet", "-R", "-J", *where, "-boot-info-table", "-o", str(medium), str(tree))
    guest = boot(tmp_path, row, medium)
    guests.append(guest)
    assert there.word in guest.message("booted", timeout=60)["with"].split()
