# SPDX-License-Identifier: Apache-2.0
"""A simulator that runs for as long as its block, and what an agent's configuration says of it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.scratch import short_directory
from tests.support.vcsim.building import built
from tests.support.vcsim.certificates import Certificates, make_certificates

USER, PASSWORD = "administrator@vsphere.local", "correct horse"
DATASTORE, STANDARD, DISTRIBUTED = "LocalDS_0", "VM Network", "DC0_DVPG0"  # what is there from the beginning
_END_S = 30


@dataclass(frozen=True)
class Vcsim:
    """A running one, with datacenter DC0 and cluster DC0_C0. It takes every user with any password but an empty one."""

    url: str
    certificates: Certificates
    directory: Path
    process: "subprocess.Popen[str]"

    def settings(self, **changes: str) -> Mapping[str, str]:
        """The agent's `vsphere` mapping for it."""
        password = self.directory / "password"
        password.write_text(f"{PASSWORD}\n")
        password.chmod(0o600)
        own = {"url": self.url, "user": USER, "password_file": str(password), "cluster": "DC0_C0"}
        trust = {} if "thumbprint" in changes else {"ca_file": str(self.certificates.authority)}
        return {**own, **trust, **changes}


@contextmanager
def vcsim(*flags: str) -> Iterator[Vcsim]:
    """One with these flags (see main.go), on a free port."""
    program = built()
    with short_directory() as directory, (directory / "log").open("w") as log:
        made = make_certificates(directory)
        own = ["-certificate", str(made.certificate), "-key", str(made.key)]
        process = subprocess.Popen(
            [program, *own, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, (directory / "log").read_text()
            yield Vcsim(url, made, directory, process)
        finally:
            process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
