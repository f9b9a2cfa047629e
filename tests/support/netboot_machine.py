# SPDX-License-Identifier: Apache-2.0
"""A machine with an empty disk and Debian's netboot installer in its drive, under software emulation."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pycdlib

from services.common.catalog import systems
from services.common.contracts.errors import ImageFailed
from services.imagebuilder.installation import recipe_of
from services.imagebuilder.masters import MasterStore, ensure_master
from services.imagebuilder.slots.master import SlottedMaster, ensure_slotted
from services.imagebuilder.slots.overlay import write_overlay
from services.imagebuilder.slots.pack import pack_files
from tests.integration.imagebuilder.conftest import Guest
from tests.support.imaging import MAC
from tests.support.missing import missing

# QEMU 7.2 emulates CMPXCHG16B with wrong flags; an interrupt just then is a double fault of Debian 13's kernel.
EMULATED = "max,cx16=off"


def netboot_medium(store: MasterStore, row: str) -> SlottedMaster:
    """The row's medium with its slot, made now if it isn't there."""
    try:
        iso = ensure_master(store, row, lambda percent, text: None).files["iso"]
    except ImageFailed as error:
        missing(error.detail)
    path = store.path(iso.sha256)
    return ensure_slotted(store, path, iso.sha256, recipe_of(systems()[row]), lambda percent, text: None)


def kernel_of(medium: Path) -> str:
    """The release of the kernel on it, by the kernel's own header (Linux, Documentation/arch/x86/boot.rst)."""
    iso = pycdlib.PyCdlib()
    iso.open(str(medium))
    try:
        with iso.open_file_from_iso(rr_path="/innkeeper/linux") as file:
            kernel = file.read(0x10000)
    finally:
        iso.close()
    place = int.from_bytes(kernel[0x20E:0x210], "little") + 0x200
    return str(kernel[place : place + 200].split(b"\0")[0].split()[0].decode())


def machine(folder: Path, medium: SlottedMaster, files: Mapping[str, bytes], networks: Sequence[str]) -> Guest:
    """It boots from the disk as soon as there is something on it; one card for each user-mode network."""
    image, disk = folder / "install.qcow2", folder / "disk.qcow2"
    write_overlay(image, medium.path, [pack_files(medium.layout.slot("answers"), files)])
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8G"], check=True)
    arguments = ["-m", "1024", "-cpu", EMULATED]
    for number, network in enumerate(networks, 1):
        arguments += ["-netdev", f"user,id=n{number}{network and ','}{network}"]
        arguments += ["-device", f"virtio-net-pci,netdev=n{number},mac={MAC(number)},romfile="]
    # Nobody misses this disk after a power cut.
    arguments += ["-drive", f"file={disk},if=none,id=disk,format=qcow2,cache=unsafe"]
    arguments += ["-device", "virtio-blk-pci,drive=disk,bootindex=1"]
    arguments += ["-drive", f"file={image},if=none,id=cd,format=qcow2,readonly=on"]
    return Guest(folder, [*arguments, "-device", "scsi-cd,drive=cd,bootindex=2"])
