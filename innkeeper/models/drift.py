# SPDX-License-Identifier: Apache-2.0
"""A vm that came to be other than it was asked to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Drift(Answer):
    """What was asked for, what its host saw, and what `can` be done about it: adopt, repair or forget."""

    wanted: str = ""
    power: str = ""
    since: datetime | None = None
    at: datetime | None = None
    files: bool | None = None  # of a vm that is missing: whether its disks are still there
    job: str = ""
    can: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DriftEntry(Answer):
    """One line of the journal."""

    id: str
    kind: str
    text: str = ""
    at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DriftJournal(Answer):
    """A vm's drift, None while it is as it was asked to be, and what was seen, the latest first."""

    vm: str = ""
    drift: Drift | None = None
    items: tuple[DriftEntry, ...] = ()
