# SPDX-License-Identifier: Apache-2.0
"""Running the programs masters are made with: missing ones named with their package, output watched line by line."""

import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.common.contracts.errors import ImageFailed

PACKAGES: Mapping[str, str] = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "grub-mkimage": "grub-common",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mmd": "mtools",
    "mkfs.ext4": "e2fsprogs",
    "mksquashfs": "squashfs-tools",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "qemu-img": "qemu-utils",
    "prlimit": "util-linux",
    "setpriv": "util-linux",
    "tar": "tar",
    "unshare": "util-linux",
    "xorriso": "xorriso",
    "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
    "/usr/lib/grub/i386-pc/boot_hybrid.img": "grub-pc-bin",
    "/usr/lib/grub/x86_64-efi/moddep.lst": "grub-efi-amd64-bin",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# mkfs is in /usr/sbin, which a user's PATH may lack.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"))


def need(purpose: str, names: Sequence[str]) -> None:
    """Raise ImageFailed that names every missing program or file with the package to install."""
    missing = [name for name in names if not (Path(name).exists() if "/" in name else shutil.which(name, path=_PATH))]
    if missing:
        packages = " ".join(sorted({PACKAGES[name] for name in missing}))
        raise ImageFailed(f"{purpose} needs {', '.join(missing)}; install: apt-get install {packages}")


def run(argv: Sequence[str], on_line: Callable[[str], None] = lambda line: None, cwd: Path | None = None) -> None:
    """Run to the end; raise ImageFailed with the last lines when it fails. It dies with this process."""
    # A program that opens namespaces of its own is killed, and they with it; others may clean up.
    death = signal.SIGKILL if argv[0] == "unshare" else signal.SIGTERM
    environment = {**os.environ, "PATH": _PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    guarded = ["setpriv", "--pdeathsig", death.name.removeprefix("SIG"), "--", *argv]
    tail: deque[str] = deque(maxlen=12)
    process = subprocess.Popen(
        guarded,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=cwd,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            tail.append(line.rstrip())
            on_line(line.rstrip())
        code = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, death)
            process.wait()
    if code:
        raise ImageFailed(f"{argv[0]} failed ({code}): " + " | ".join(line for line in tail if line))
