# SPDX-License-Identifier: Apache-2.0
"""Images without a vm: what was ordered, and what came of it."""

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonDict, Key, Long, Name, Word


class Image(Base):
    """An image somebody ordered. Until it is built `built_at` is null; after `expires_at` it is removed."""

    __tablename__ = "images"
    __table_args__ = (
        Index("ix_images_project_id_id", "project_id", "id"),
        Index("ix_images_expires_at", "expires_at"),
    )
    id: Mapped[Key]
    project_id: Mapped[Id]
    name: Mapped[Name]
    os: Mapped[Word]
    spec: Mapped[JsonDict]  # contracts.vm.VmSpec
    secrets: Mapped[Long] = mapped_column(default="")  # sealed contracts.vm.Secrets
    file: Mapped[Word] = mapped_column(default="")  # its name at the artifact server
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[Word] = mapped_column(default="")  # "" where only the master's is known
    built_at: Mapped[float | None]
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]
    expires_at: Mapped[float]
