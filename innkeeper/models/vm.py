# SPDX-License-Identifier: Apache-2.0
"""A vm, as asked for and as seen from inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.drift import Drift
from innkeeper.models.shape import Answer
from innkeeper.models.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Link(Answer):
    """How a link takes part in IP, as asked for; `addresses` are CIDRs."""

    name: str = ""
    method: str = ""
    method6: str = ""
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Nic(Link):
    """One card."""

    mac: str = ""
    network: str = ""
    bond: str = ""


@dataclass(frozen=True, kw_only=True)
class Bond(Link):
    """Several cards as one link."""

    mode: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Vlan(Link):
    """A tagged link on a card or a bond."""

    id: int = 0
    over: str = ""


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
class Tools(Answer):
    """What the hypervisor's own program in the guest says; `mismatches` is None where it can't tell of the network."""

    running: bool = False
    hostname: str = ""
    os: str = ""
    interfaces: tuple[Interface, ...] = ()
    mismatches: tuple[str, ...] | None = None
    since: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Pending(Answer):
    """What it has of its sizes `now`, and what it will `then` have, once it was off."""

    until: str = ""
    now: Mapping[str, int] = field(default_factory=dict)
    then: Mapping[str, int] = field(default_factory=dict)


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
    source: str | None = None  # the id of the vm it is a clone of
    linked: bool = False  # it still reads that one's disk
    clones: tuple[str, ...] = ()  # its linked clones, by name; of one vm alone, not in lists
    pending: Pending | None = None  # a resize that waits until it is off
    watts: float | None = None  # its part of what its host draws; of one vm alone, not in lists
    watts_source: str = ""
    cost_per_h: float | None = None
    project: str = ""
    nics: tuple[Nic, ...] = ()
    bonds: tuple[Bond, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    observed: Observed | None = None
    tools: Tools | None = None  # of one vm alone, not in lists
    drift: Drift | None = None  # while it is other than it was asked to be
    job: str = ""
    volumes: tuple[Volume, ...] = ()  # of one vm alone, not in lists
    verbs: tuple[str, ...] = ()  # what can be done with it now; of one vm alone, not in lists
    protect: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    etag: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses seen from inside; before the guest spoke, those that were asked for."""
        links = (*self.nics, *self.bonds, *self.vlans)
        return self.observed.addresses if self.observed else tuple(a for n in links for a in n.addresses)
