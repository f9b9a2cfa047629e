# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian packages that no test machine should have installed: unpacked into a folder, run from there."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.missing import missing


def unpacked(folder: Path, *packages: str) -> Path:
    """A root with these packages' files in it, fetched by apt; nothing is installed. `a|b`: the first there is."""
    # All at once where they all are; else one after the other, to say which isn't.
    left = packages if _fetch(folder, *(package.split("|")[0] for package in packages)) else ()
    for package in left:
        errors = [_fetch(folder, name) for name in package.split("|")]
        if all(errors):
            missing(f"{package} from Debian's mirror, by apt-get download: {errors[-1]}")
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive.name, "root"], cwd=folder, check=True)
    return folder / "root"


def _fetch(folder: Path, *packages: str) -> str:
    """What went wrong; "" nothing."""
    if not shutil.which("apt-get"):
        return "there is no apt-get"
    command = ["apt-get", "download", "-q", *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.stderr.strip()[-300:] if done.returncode else ""


def run_from(root: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Its program of that name, with its own libraries, and none of this machine's settings."""
    path = next(path for path in root.rglob(program) if path.is_file() and os.access(path, os.X_OK))
    libraries = ":".join(sorted({str(library.parent) for library in root.rglob("*.so*")}))
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries}
    return subprocess.run(
        [str(path), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
