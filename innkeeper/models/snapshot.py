# SPDX-License-Identifier: Apache-2.0
"""A snapshot of a vm."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Snapshot(Answer):
    """What a vm was at one moment; `current` is the one that its present state comes from, `parent` the one before."""

    id: str
    name: str
    vm: str = ""
    parent: str = ""
    current: bool = False
    state: str = ""
    memory: bool = False
    vcpus: int = 0
    memory_mib: int = 0
    created_at: datetime | None = None
