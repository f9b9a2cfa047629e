# SPDX-License-Identifier: Apache-2.0
"""Who you are and where you may act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Place(Answer):
    """A project and somebody's role in it."""

    id: str = ""
    name: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class User(Answer):
    """A person or machine that signs in; role is admin, operator, member or viewer."""

    id: str = ""
    username: str = ""
    admin: bool = False
    disabled: bool = False
    role: str = ""
    projects: tuple[Place, ...] = ()
    created_at: datetime | None = None
    etag: str = ""

    @property
    def name(self) -> str:
        """As other things are called."""
        return self.username


@dataclass(frozen=True, kw_only=True)
class Project(Answer):
    """A space with members and quotas; everything belongs to one."""

    id: str = ""
    name: str = ""
    description: str = ""
    role: str = ""  # yours, where the answer says so
    quotas: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class Member(Answer):
    """A user's role in a project: viewer, member or operator."""

    user: str = ""
    username: str = ""
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiToken(Answer):
    """An API token; its secret comes once, with the answer that made it, and is never printed by repr()."""

    id: str = ""
    name: str = ""
    scopes: tuple[str, ...] = ()
    project: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    created_at: datetime | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What signing in gives. Never printed, not even by repr()."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float | None = None
