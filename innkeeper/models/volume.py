# SPDX-License-Identifier: Apache-2.0
"""A volume: a disk with a life of its own."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Volume(Answer):
    """`vm` is the id of the vm it is plugged into, "" for none; `serial` is what that vm's guest sees of it.

    It lies on its host's datastore of that name, "" on the host's own disk.
    """

    id: str
    name: str = ""
    state: str = ""
    size_gib: int = 0
    wanted_gib: int = 0
    vm: str = ""
    keep: bool = False
    serial: str = ""
    host: str = ""
    datastore: str = ""
    created_at: datetime | None = None
    etag: str = ""
