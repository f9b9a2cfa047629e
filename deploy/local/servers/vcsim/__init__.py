# SPDX-License-Identifier: Apache-2.0
"""A private vCenter simulator: govmomi's, over TLS on loopback. What it holds is lost at a stop."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from deploy.local.files import secret
from deploy.local.servers.base import Server, plain_env, private
from deploy.local.servers.certificates import Certificates
from deploy.local.servers.vcsim.building import built

USER = "administrator@vsphere.local"
# What is in it from the beginning: one datacenter with one cluster and one distributed port group.
CLUSTER, PORT_GROUP = "DC0_C0", "DC0_DVPG0"


class Vcsim(Server):
    """A vCenter that is simulated. It takes every user with any password but an empty one."""

    name: ClassVar[str] = "vcsim"

    def __init__(self, directory: Path, certificates: Certificates, cache: Path) -> None:
        super().__init__(directory)
        self._certificates, self._cache = certificates, cache

    @property
    def url(self) -> str:
        """https://127.0.0.1:port; user and password are in `settings`."""
        return f"https://127.0.0.1:{self.ports['https']}"

    @property
    def settings(self) -> Mapping[str, str]:
        """An agent's `vsphere` mapping for it."""
        secret(self.password_file)
        return {
            "url": self.url,
            "user": USER,
            "password_file": str(self.password_file),
            "ca_file": str(self._certificates.authority),
            "cluster": CLUSTER,
        }

    @property
    def password_file(self) -> Path:
        """Mode 0600."""
        return self.directory / "password"

    def build(self) -> None:
        """Build its program, which takes a minute the first time. Raises ServerError."""
        built(self._cache)

    def prepare(self) -> None:
        private(self.directory)
        # Its datastore is a directory it makes anew each time; one of a simulator that was killed is of no use.
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        private(self.directory / "data")
        self.reserve_ports("https")
        secret(self.password_file)
        self.build()

    def command(self) -> list[str]:
        made = self._certificates
        trust = ["-certificate", str(made.certificate), "-key", str(made.key)]
        return [str(built(self._cache)), "-until-signal", "-address", f"127.0.0.1:{self.ports['https']}", *trust]

    def env(self) -> dict[str, str]:
        return plain_env(TMPDIR=str(self.directory / "data"))

    def ready(self) -> bool:
        try:
            context = ssl.create_default_context(cafile=str(self._certificates.authority))
            with (
                socket.create_connection(("127.0.0.1", self.ports["https"]), 2) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except (OSError, KeyError):
            return False
