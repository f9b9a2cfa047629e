# SPDX-License-Identifier: Apache-2.0
"""Debian packages fetched and unpacked into a folder, by an apt of our own.

The machine needn't be a Debian, and nobody needs to be root.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters.debian_sources import machine_mirrors
from services.imagebuilder.masters.programs import need, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class PackageSource:
    """One release's packages. Everything apt writes stays under `work`."""

    def __init__(self, release: str, work: Path):
        need(f"fetching packages of Debian {release}", ("apt-get", "dpkg-deb", "setpriv", KEYRING))
        self._work = work
        self._downloads = work / "debs"
        for folder in ("lists/partial", "cache/archives/partial", "debs", "etc", "dpkg"):
            (work / folder).mkdir(parents=True, exist_ok=True)
        (work / "dpkg/status").touch()
        lines = machine_mirrors().lines(release, KEYRING)
        (work / "etc/sources.list").write_text("".join(f"{line}\n" for line in lines))

    def update(self, progress: Progress) -> None:
        """Read the index."""
        progress(5, "reading the package index")
        run(["apt-get", *self._options(), "update"])

    def kernel(self, meta: str) -> str:
        """The package with the kernel that `meta` depends on now."""
        command = ["apt-cache", *self._options(), "depends", meta]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        image = re.search(r"Depends: (linux-image-\S+)", found.stdout)
        if not image:
            raise ImageFailed(f"{meta} depends on no kernel: {found.stderr.strip()[-300:] or found.stdout.strip()}")
        return image[1]

    def unpack(self, names: Sequence[str], target: Path) -> None:
        """Fetch these packages and unpack their files under `target`; nothing is installed, no script is run."""
        run(["apt-get", *self._options(), "download", *names], cwd=self._downloads)
        for deb in sorted(self._downloads.glob("*.deb")):
            run(["dpkg-deb", "-x", str(deb), str(target)])

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": self._work / "etc/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": self._work / "lists",
            "Dir::State::status": self._work / "dpkg/status",
            "Dir::Cache": self._work / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Update::Post-Invoke-Success::": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # The folder is ours alone: apt's own user could not read it.
            "APT::Sandbox::User": "",
        }
        return [argument for key, value in settings.items() for argument in ("-o", f"{key}={value}")]
