# SPDX-License-Identifier: Apache-2.0
"""What nobody owns."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Orphan(Answer):
    """Something that nobody owns, where it is, and why that is thought."""

    kind: str
    name: str
    host: str = ""
    vm: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class HostRead(Answer):
    """A host, and whether it could be read; `note` says why not."""

    name: str
    state: str = ""
    read: bool = False
    note: str = ""
    things: int = 0


@dataclass(frozen=True, kw_only=True)
class Audit(Answer):
    """What hosts have and rows hold that nobody owns; `complete` when every host could be read."""

    at: datetime | None = None
    complete: bool = False
    hosts: tuple[HostRead, ...] = ()
    orphans: tuple[Orphan, ...] = ()
