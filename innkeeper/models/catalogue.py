# SPDX-License-Identifier: Apache-2.0
"""What a vm can be made of: operating systems, flavors, networks, media."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Os(Answer):
    """An entry of the catalogue; `name` is what a vm's `os` names. Not `available`: its media is not imported yet."""

    name: str
    display_name: str = ""
    family: str = ""
    version: str = ""
    arch: str = ""
    min_memory_mib: int = 0
    min_disk_gib: int = 0
    default_user: str = ""
    delivery: str = ""
    available: bool = True
    installable: bool = True


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
    ranges: tuple[Mapping[str, Any], ...] = ()
    reservations: tuple[Mapping[str, Any], ...] = ()
    vlan: int = 0
    anti_spoof: bool = False
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class Media(Answer):
    """A vendor's ISO or cloud image; state is importing, available, failed or collected (its file made room)."""

    id: str
    name: str = ""
    os: str = ""
    kind: str = ""
    state: str = ""
    sha256: str = ""
    kept_sha256: str = ""
    size: int | None = None
    url: str = ""
    upload: bool = False
    protect: bool = False
    job: str = ""
    error: str = ""
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    collected_at: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class Upload(Answer):
    """How far the sending of a medium is."""

    offset: int = 0
    size: int = 0
    url: str = ""
