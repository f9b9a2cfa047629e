# SPDX-License-Identifier: Apache-2.0
"""The base image: a Debian with Python, made here, under the name that deploy/Dockerfile takes from a registry.

It has this machine's certificate authorities, by which the build reaches the package index that pip uses here.
"""

import re
import shutil
import subprocess
from pathlib import Path

from services.imagebuilder.masters.debian_packages import KEYRING
from services.imagebuilder.masters.debian_sources import machine_mirrors
from tests.support.containers.dockerd import Dockerd
from tests.support.missing import missing

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
TARGETS = (
    "api",
    "conductor",
    "scheduler",
    "worker",
    "imagebuilder",
    "hostagent-vsphere",
    "hostagent-libvirt",
    "flower",
)
RELEASE = "bookworm"
CACHE = Path.home() / ".cache" / "innkeeper" / "containers"  # kept between runs on a person's machine
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def base_name() -> str:
    """What the Dockerfile builds on unless told."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found, "deploy/Dockerfile names no PYTHON_IMAGE"
    return found[1]


def command(target: Path) -> list[str]:
    """How the tarball is made."""
    hooks = ['mkdir -p "$1/etc/ssl/certs"', f'cp {_BUNDLE} "$1{_BUNDLE}"']
    hooks += [f'printf "[global]\\ncert = {_BUNDLE}\\n" > "$1/etc/pip.conf"']
    if _AUTHORITIES.is_dir():
        hooks += [f'mkdir -p "$1{_AUTHORITIES}"', f'cp -r {_AUTHORITIES}/. "$1{_AUTHORITIES}"']
    words = ["mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=Acquire::Languages "none"']
    words += ["--include=python3,usr-is-merged", f"--hook-dir={_MERGED_USR}"]  # its alternative brings all of Perl
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    words += [f"--customize-hook={hook}" for hook in hooks]
    return [*words, RELEASE, str(target), *machine_mirrors().lines(RELEASE, KEYRING)]


def import_base(dockerd: Dockerd) -> None:
    """Make the base image, and give it the name."""
    if shutil.which("mmdebstrap") is None:
        missing("mmdebstrap: apt-get install mmdebstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    tarball = CACHE / f"{RELEASE}-python.tar"
    if not tarball.exists():
        draft = tarball.with_suffix(".new.tar")
        done = subprocess.run(command(draft), capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr[-4000:]
        draft.rename(tarball)
    dockerd.docker("import", str(tarball), base_name())
