# SPDX-License-Identifier: Apache-2.0
"""The mini guest: Debian's cloud kernel and an initramfs of busybox, the drivers of a virtual machine and our init."""

import hashlib
from functools import lru_cache
from pathlib import Path

from services.common.contracts.journal import Progress
from services.imagebuilder.masters import cpio, guest_agent
from services.imagebuilder.masters.boot_kernel import RELEASE, boot_kernel, initramfs
from services.imagebuilder.masters.store import Built

# Changes when this code builds something else from the same files.
VERSION = 1
# tsc and no_timer_check spare an emulated CPU its calibrations.
CMDLINE = "console=ttyS0 quiet loglevel=3 tsc=reliable no_timer_check panic=5 random.trust_cpu=on"
MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_net",
    "virtio_scsi",
    "sr_mod",
    "isofs",
    "virtio_blk",
    "virtio_rng",
    "button",
    "evdev",
)
# Programs of busybox that the guest's scripts, and people at its console, call by name.
APPLETS = tuple(
    """acpid awk basename cat chmod cp cut date dd df dmesg echo false free grep head hostname insmod ip kill ls lsmod
    mkdir mount mv ping ping6 poweroff printf ps pwd reboot rm sed sh sleep sync tail tr true udhcpc umount uname
    uptime usleep wc""".split()  # noqa: SIM905  (a list of forty lines says no more)
)
_GUEST = Path(__file__).parent / "guest"


@lru_cache
def recipe_key() -> str:
    """What the master is kept under: other sources of ours give another key."""
    digest = hashlib.sha256(repr((VERSION, RELEASE, CMDLINE, MODULES, APPLETS)).encode())
    for name in ("init.sh", "lease.sh", "power.sh"):
        digest.update((_GUEST / name).read_bytes())
    digest.update(guest_agent.shell_script())
    return f"mini-{digest.hexdigest()[:16]}"


def build(work: Path, progress: Progress) -> Built:
    """Make kernel and initrd in `work`."""
    boot = boot_kernel(work, MODULES, progress)
    progress(80, "packing the initramfs")
    initrd = work / "initrd.cpio"
    more = {
        "bin/lease": cpio.file((_GUEST / "lease.sh").read_bytes(), 0o755),
        "etc/acpi/PWRF/00000080": cpio.file((_GUEST / "power.sh").read_bytes(), 0o755),
        "innkeeper/mini.sh": cpio.file(guest_agent.shell_script(), 0o755),
    }
    initrd.write_bytes(initramfs((_GUEST / "init.sh").read_bytes(), APPLETS, boot, more))
    return Built({"kernel": (boot.kernel, "kernel"), "initrd": (initrd, "initrd")}, CMDLINE)
