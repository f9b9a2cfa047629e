# SPDX-License-Identifier: Apache-2.0
"""A vm, as asked for and as seen from inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Nic(Answer):
    """One link, as asked for; `addresses` are CIDRs."""

    mac: str = ""
    network: str = ""
    method: str = ""
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interface(Answer):
    """One link, as the guest sees it."""

    name: str = ""
    mac: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Observed(Answer):
    """What the guest reported of its network, and when."""

    hostname: str = ""
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Mapping[str, Any], ...] = ()
    dns: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address of every link, with its prefix length; loopback and link-local ones tell nothing."""
        found = (a for i in self.interfaces if i.name != "lo" for a in i.addresses)
        return tuple(a for a in found if not a.lower().startswith(("fe80:", "127.", "::1/")))


@dataclass(frozen=True, kw_only=True)
class Vm(Answer):
    """A virtual machine. `host` is "" while it has none; sizes in MiB and GiB."""

    id: str
    name: str
    state: str
    os: str = ""
    flavor: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    host: str = ""
    project: str = ""
    nics: tuple[Nic, ...] = ()
    observed: Observed | None = None
    job: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    etag: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses seen from inside; before the guest spoke, those that were asked for."""
        return self.observed.addresses if self.observed else tuple(a for n in self.nics for a in n.addresses)
