# SPDX-License-Identifier: Apache-2.0
"""A simulator that runs for as long as its block, and what an agent's configuration says of it."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.servers.certificates import Certificates, make_certificates
from deploy.local.servers.vcsim.building import built
from tests.support.missing import servers_needed
from tests.support.scratch import short_directory

USER, PASSWORD = "administrator@vsphere.local", "correct horse"
DATASTORE, STANDARD, DISTRIBUTED = "LocalDS_0", "VM Network", "DC0_DVPG0"  # what is there from the beginning
SECOND = "LocalDS_1"  # with -datastores 2
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "innkeeper-tests"
_END_S = 30


@dataclass
class Vcsim:
    """A running one, with datacenter DC0 and cluster DC0_C0. It takes every user with any password but an empty one."""

    url: str
    certificates: Certificates
    directory: Path
    command: list[str]
    process: "subprocess.Popen[str]"

    def settings(self, **changes: str) -> Mapping[str, str]:
        """The agent's `vsphere` mapping for it."""
        password = self.directory / "password"
        password.write_text(f"{PASSWORD}\n")
        password.chmod(0o600)
        own = {"url": self.url, "user": USER, "password_file": str(password), "cluster": "DC0_C0"}
        trust = {} if "thumbprint" in changes else {"ca_file": str(self.certificates.authority)}
        return {**own, **trust, **changes}

    def end(self) -> None:
        """Nobody answers any more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def begin_again(self) -> None:
        """Another one answers at the same address: it knows no session, and none of the vms there were."""
        address = self.url.removeprefix("https://")
        self.process, url = _begun([*self.command, "-address", address], self.directory / "log")
        assert url == self.url


@contextmanager
def vcsim(*flags: str) -> Iterator[Vcsim]:
    """One with these flags (see main.go), on a free port."""
    with servers_needed():
        program = built(CACHE)
    with short_directory() as directory:
        made = make_certificates(directory)
        command = [str(program), "-certificate", str(made.certificate), "-key", str(made.key), *flags]
        process, url = _begun(command, directory / "log")
        running = Vcsim(url, made, directory, command, process)
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.end()


def _begun(command: list[str], log: Path) -> "tuple[subprocess.Popen[str], str]":
    with log.open("a") as out:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, log.read_text()
    return process, url
