# SPDX-License-Identifier: Apache-2.0
"""The mini guest: Debian's cloud kernel and an initramfs of busybox, the drivers of a virtual machine and our init."""

import hashlib
from functools import lru_cache
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import cpio, guest_agent
from services.imagebuilder.masters.debian_packages import PackageSource
from services.imagebuilder.masters.kernel_modules import modules_in_order
from services.imagebuilder.masters.store import Built

RELEASE = "bookworm"
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
    for path in sorted(_GUEST.iterdir()):
        digest.update(path.read_bytes())
    digest.update(guest_agent.mini_script())
    return f"mini-{digest.hexdigest()[:16]}"


def initramfs(busybox: bytes, modules: dict[str, bytes]) -> bytes:
    """The guest's whole system."""
    entries = {
        "init": cpio.file((_GUEST / "init.sh").read_bytes(), 0o755),
        "bin/busybox": cpio.file(busybox, 0o755),
        "bin/lease": cpio.file((_GUEST / "lease.sh").read_bytes(), 0o755),
        "etc/acpi/PWRF/00000080": cpio.file((_GUEST / "power.sh").read_bytes(), 0o755),
        "innkeeper/mini.sh": cpio.file(guest_agent.mini_script(), 0o755),
        "dev/console": cpio.character_device(5, 1),
        "modules/order": cpio.file("".join(f"{name}\n" for name in modules).encode()),
        **{f"modules/{name}": cpio.file(content) for name, content in modules.items()},
        **{f"bin/{applet}": cpio.link("busybox") for applet in APPLETS},
        **{name: cpio.folder() for name in ("proc", "sys", "run", "tmp")},
    }
    return cpio.archive(entries)


def build(work: Path, progress: Progress) -> Built:
    """Make kernel and initrd in `work`."""
    source = PackageSource(RELEASE, work)
    source.update(progress)
    kernel = source.kernel("linux-image-cloud-amd64")
    progress(40, f"downloading {kernel}")
    tree = work / "tree"
    source.unpack([kernel, "busybox-static"], tree)
    progress(80, "packing the initramfs")
    versions = list((tree / "lib/modules").iterdir())
    images = list((tree / "boot").glob("vmlinuz-*"))
    if len(versions) != 1 or len(images) != 1:
        raise ImageFailed(f"{kernel} has {len(images)} kernels and {len(versions)} module folders, not one of each")
    modules = modules_in_order(versions[0], MODULES)
    initrd = work / "initrd.cpio"
    initrd.write_bytes(initramfs((tree / "bin/busybox").read_bytes(), modules))
    return Built({"kernel": (images[0], "kernel"), "initrd": (initrd, "initrd")}, CMDLINE)
