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
_LEFT_OUT = tuple(f"/usr/share/{what}" for what in ("doc", "info", "lintian", "locale", "man", "zoneinfo/right"))
# What is left out, and no fsync, as in Debian's images. Not by --dpkgopt: mmdebstrap would filter each package itself.
_DPKG = "\n".join(["force-unsafe-io", *(f"path-exclude={path}/*" for path in _LEFT_OUT)])

# The machine's bundle takes the place of Debian's, so nothing need be hashed for it.
_TRUST = "ca-certificates ca-certificates/trust_new_crts select no"
_TRUST_NONE = f'echo "{_TRUST}" | chroot "$1" debconf-set-selections'


def base_name() -> str:
    """What the Dockerfile builds on unless told."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found, "deploy/Dockerfile names no PYTHON_IMAGE"
    return found[1]


def command(target: Path) -> list[str]:
    """How the tarball is made."""
    first = ['mkdir -p "$1/etc/dpkg/dpkg.cfg.d"', f'echo "{_DPKG}" > "$1/etc/dpkg/dpkg.cfg.d/small"']
    hooks = ['cd "$1" && rm -rf var/cache/debconf/*-old var/lib/dpkg/*-old ' + " ".join(f".{p}/*" for p in _LEFT_OUT)]
    hooks += [f'cp {_BUNDLE} "$1{_BUNDLE}"', f'printf "[global]\\ncert = {_BUNDLE}\\n" > "$1/etc/pip.conf"']
    if _AUTHORITIES.is_dir():
        hooks += [f'mkdir -p "$1{_AUTHORITIES}"', f'cp -r {_AUTHORITIES}/. "$1{_AUTHORITIES}"']
    words = ["mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=Acquire::Languages "none"']
    words += ['--aptopt=Acquire::Retries "7"']
    # ca-certificates are in that image, too. Of usr-is-merged the alternative brings all of Perl.
    words += ["--include=python3,ca-certificates,usr-is-merged", f"--hook-dir={_MERGED_USR}"]
    words += [f"--setup-hook={hook}" for hook in first] + [f"--essential-hook={_TRUST_NONE}"]
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
