# SPDX-License-Identifier: Apache-2.0
"""Who you are and where you may act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class User(Answer):
    """A person or machine that signs in; role is admin, operator, member or viewer."""

    id: str = ""
    username: str = ""
    admin: bool = False
    disabled: bool = False
    role: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Project(Answer):
    """A space with members and quotas; everything belongs to one."""

    id: str = ""
    name: str = ""
    role: str = ""  # yours, where the answer says so
    quotas: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What signing in gives. Never printed, not even by repr()."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float | None = None
