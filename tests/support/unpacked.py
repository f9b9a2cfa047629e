# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian packages that no test machine should have installed: unpacked into a folder, run from there."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.missing import missing

_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/x86_64-linux-gnu")


def unpacked(folder: Path, *packages: str) -> Path:
    """A root with these packages' files in it; they are fetched by apt, nothing is installed or configured."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        missing(f"apt-get, to fetch {' and '.join(packages)}")
    done = subprocess.run(
        ["apt-get", "download", "-q", *packages], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"{' and '.join(packages)} from Debian's mirror: {done.stderr.strip()[-300:]}")
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive.name, "root"], cwd=folder, check=True)
    return folder / "root"


def run_from(root: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Its program, with its libraries, as nobody's service: no locale, no other environment."""
    libraries = ":".join(str(root / folder) for folder in _LIBRARIES)
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries}
    command = [str(root / program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
