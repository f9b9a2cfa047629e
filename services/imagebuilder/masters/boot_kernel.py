# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernel, a busybox, and the drivers an initramfs of ours wants: unpacked, never installed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters import cpio
from services.imagebuilder.masters.debian_packages import PackageSource
from services.imagebuilder.masters.kernel_modules import modules_in_order

RELEASE = "bookworm"


@dataclass(frozen=True)
class BootKernel:
    """The kernel's file, busybox, and file name -> content of each driver, those it needs before it."""

    kernel: Path
    busybox: bytes
    modules: Mapping[str, bytes]


def boot_kernel(work: Path, wanted: Sequence[str], progress: Progress) -> BootKernel:
    """Fetch and unpack them under `work`; ImageFailed when they can't be had."""
    source = PackageSource(RELEASE, work)
    source.update(progress)
    package = source.kernel("linux-image-cloud-amd64")
    progress(40, f"downloading {package}")
    tree = work / "tree"
    source.unpack([package, "busybox-static"], tree)
    versions = list((tree / "lib/modules").iterdir())
    images = list((tree / "boot").glob("vmlinuz-*"))
    if len(versions) != 1 or len(images) != 1:
        raise ImageFailed(f"{package} has {len(images)} kernels and {len(versions)} module folders, not one of each")
    return BootKernel(images[0], (tree / "bin/busybox").read_bytes(), modules_in_order(versions[0], wanted))


def initramfs(init: bytes, applets: Sequence[str], boot: BootKernel, more: Mapping[str, cpio.Entry]) -> bytes:
    """An initramfs whose first process is `init`, with these programs of busybox and the drivers in /modules."""
    return cpio.archive(
        {
            "init": cpio.file(init, 0o755),
            "bin/busybox": cpio.file(boot.busybox, 0o755),
            "dev/console": cpio.character_device(5, 1),
            "modules/order": cpio.file("".join(f"{name}\n" for name in boot.modules).encode()),
            **{f"modules/{name}": cpio.file(content) for name, content in boot.modules.items()},
            **{f"bin/{applet}": cpio.link("busybox") for applet in applets},
            **{name: cpio.folder() for name in ("proc", "sys", "run", "tmp")},
            **more,
        }
    )
