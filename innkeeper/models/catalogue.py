# SPDX-License-Identifier: Apache-2.0
"""What a vm can be made of: operating systems, flavors, networks, media."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Os(Answer):
    """An entry of the catalogue; `id` is what a vm's `os` names."""

    id: str
    name: str = ""
    family: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Flavor(Answer):
    """A size with a name."""

    id: str = ""
    name: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0


@dataclass(frozen=True, kw_only=True)
class Network(Answer):
    """A network a vm can be plugged into; kind is nat, isolated or bridge."""

    id: str = ""
    name: str = ""
    kind: str = ""
    cidr: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Media(Answer):
    """A vendor's ISO or cloud image; state is importing, available, failed or deleted."""

    id: str
    name: str = ""
    os: str = ""
    state: str = ""
    sha256: str = ""
    size: int = 0
    url: str = ""
    created_at: datetime | None = None
