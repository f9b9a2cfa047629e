# SPDX-License-Identifier: Apache-2.0
"""Debian's own installer, as small as it comes: kernel and initrd of the netboot package on a medium of ours.

Everything else it fetches from the mirror, its own components (udebs) first; those fit this kernel for as long as
the mirror has the same point release.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters.bootable_iso import Medium, bootable_iso
from services.imagebuilder.masters.debian_packages import PackageSource
from services.imagebuilder.masters.store import Built

RELEASE = "bookworm"
PACKAGE = "debian-installer-12-netboot-amd64"
# Where the package has them, with the installer's text frontend.
FOLDER = "usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
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
def recipe_key() -> str:
    """What the medium is kept under."""
    digest = hashlib.sha256(repr((VERSION, RELEASE, PACKAGE, FOLDER, MENU)).encode())
    return f"debian-12-netboot-{digest.hexdigest()[:16]}"


def build(work: Path, progress: Progress) -> Built:
    """Make the medium in `work`."""
    source = PackageSource(RELEASE, work)
    source.update(progress)
    progress(20, f"downloading {PACKAGE}")
    tree = work / "tree"
    source.unpack([PACKAGE], tree)
    files = {f"/innkeeper/{name}": tree / FOLDER / name for name in ("linux", "initrd.gz")}
    missing = [str(path.relative_to(tree)) for path in files.values() if not path.is_file()]
    if missing:
        raise ImageFailed(f"{PACKAGE} has no {', '.join(missing)}")
    progress(80, "writing the medium")
    out = work / "medium.iso"
    bootable_iso(Medium(files, MENU, VOLUME), out, work)
    return Built({"iso": (out, "iso")})
