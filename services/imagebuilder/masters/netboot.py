# SPDX-License-Identifier: Apache-2.0
"""Debian's own installer, as small as it comes: kernel and initrd of the netboot package on a medium of ours.

Everything else it fetches from the mirror, its own components (udebs) first; those fit this kernel for as long as
the mirror has the same point release.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters.bootable_iso import Medium, bootable_iso
from services.imagebuilder.masters.debian_packages import PackageSource
from services.imagebuilder.masters.store import Built


@dataclass(frozen=True)
class Netboot:
    """A release, and where its package has the installer with the text frontend."""

    release: str
    package: str
    folder: str


def _of(version: str, release: str) -> Netboot:
    folder = f"usr/lib/debian-installer/images/{version}/amd64/text/debian-installer/amd64"
    return Netboot(release, f"debian-installer-{version}-netboot-amd64", folder)


NETBOOTS: Mapping[str, Netboot] = {
    "debian-12-netboot": _of("12", "bookworm"),
    "debian-13-netboot": _of("13", "trixie"),
}
VOLUME = "INNKEEPER"
# Changes when this code builds something else from the same package.
VERSION = 1
# DEBCONF_DEBUG: debconf's protocol in the installer's log, which families/debian-installer/report.sh.j2 reads.
# tsc and no_timer_check spare an emulated CPU its calibrations. What follows --- is for the installed system, too.
_KERNEL = "auto=true priority=critical DEBCONF_DEBUG=5 tsc=reliable no_timer_check random.trust_cpu=on"
MENU = f"""set timeout=0
linux /innkeeper/linux {_KERNEL} console=tty0 console=ttyS0 --- quiet
initrd /innkeeper/initrd.gz /innkeeper/answers.cpio
boot
"""


@lru_cache
def recipe_key(name: str) -> str:
    """What the medium is kept under."""
    netboot = NETBOOTS[name]
    digest = hashlib.sha256(repr((VERSION, netboot.release, netboot.package, netboot.folder, MENU)).encode())
    return f"{name}-{digest.hexdigest()[:16]}"


def build(name: str, work: Path, progress: Progress) -> Built:
    """Make the medium in `work`."""
    netboot = NETBOOTS[name]
    source = PackageSource(netboot.release, work)
    source.update(progress)
    progress(20, f"downloading {netboot.package}")
    tree = work / "tree"
    source.unpack([netboot.package], tree)
    files = {f"/innkeeper/{file}": tree / netboot.folder / file for file in ("linux", "initrd.gz")}
    missing = [str(path.relative_to(tree)) for path in files.values() if not path.is_file()]
    if missing:
        raise ImageFailed(f"{netboot.package} has no {', '.join(missing)}")
    progress(80, "writing the medium")
    out = work / "medium.iso"
    bootable_iso(Medium(files, MENU, VOLUME), out, work)
    return Built({"iso": (out, "iso")})
