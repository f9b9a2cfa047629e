# SPDX-License-Identifier: Apache-2.0
"""Projects, users, who may do what in which project, and the tokens they hold."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonDict, JsonList, Key, Long, Name, Word


class Project(Base):
    """A tenant: everything belongs to exactly one."""

    __tablename__ = "projects"
    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    description: Mapped[Long] = mapped_column(default="")
    quotas: Mapped[JsonDict] = mapped_column(default=dict)  # vms, vcpus, memory_mib, disk_gib, media_gib
    created_at: Mapped[float]
    updated_at: Mapped[float]


class User(Base):
    """Somebody who signs in. Admins may do everything everywhere; others have a role per project."""

    __tablename__ = "users"
    id: Mapped[Key]
    username: Mapped[Name] = mapped_column(unique=True)
    password_hash: Mapped[Long]  # argon2id
    is_admin: Mapped[bool] = mapped_column(default=False)
    disabled: Mapped[bool] = mapped_column(default=False)
    token_epoch: Mapped[int] = mapped_column(default=0)  # raising it revokes every token issued before
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Membership(Base):
    """The role of a user in a project: operator, member or viewer."""

    __tablename__ = "memberships"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[Word]


class ApiToken(Base):
    """A named, expiring, scoped token; only its hash is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("user_id", "name"),)
    id: Mapped[Key]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[Id | None]
    name: Mapped[Name]
    token_hash: Mapped[Name] = mapped_column(unique=True)  # sha256 hex of 256 random bits
    scopes: Mapped[JsonList] = mapped_column(default=list)
    expires_at: Mapped[float]
    last_used_at: Mapped[float | None]
    created_at: Mapped[float]


class RevokedToken(Base):
    """A JWT (by its jti) that is refused before it expires, and refresh tokens already used."""

    __tablename__ = "revoked_tokens"
    jti: Mapped[Name] = mapped_column(primary_key=True)
    expires_at: Mapped[float] = mapped_column(index=True)


class IdempotencyKey(Base):
    """The first answer to a POST, kept for its repetition."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)
    scope: Mapped[Name] = mapped_column(primary_key=True)  # user and project
    key: Mapped[Name] = mapped_column(primary_key=True)
    body_hash: Mapped[Name]  # of method, path and body
    status: Mapped[int | None]  # None: still running
    headers: Mapped[JsonDict] = mapped_column(default=dict)
    response: Mapped[Long] = mapped_column(default="")
    created_at: Mapped[float]
