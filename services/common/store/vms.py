# SPDX-License-Identifier: Apache-2.0
"""Vms: what was asked for, what it is called, and what was seen from inside."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonDict, Key, Long, Name, Word


class Vm(Base):
    """A vm. Names are unique in a project among those that aren't deleted; `job_id` is its one active job."""

    __tablename__ = "vms"
    __table_args__ = (
        Index(
            "uq_vms_project_name",
            "project_id",
            "name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_vms_project_id_id", "project_id", "id"),
        Index("ix_vms_host_id", "host_id"),
        Index("ix_vms_source_id", "source_id"),
    )
    id: Mapped[Key]
    project_id: Mapped[Id]
    name: Mapped[Name]
    state: Mapped[Word]
    os: Mapped[Word]
    flavor: Mapped[Name]
    spec: Mapped[JsonDict]  # contracts.vm.VmSpec
    secrets: Mapped[Long] = mapped_column(default="")  # sealed contracts.vm.Secrets
    host_id: Mapped[Id | None]
    job_id: Mapped[Id | None]
    source_id: Mapped[Id | None]  # the vm whose disk it began as; that one may be gone
    linked: Mapped[bool] = mapped_column(default=False)  # it still reads that disk
    fence: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)  # the ETag
    power: Mapped[Word] = mapped_column(default="")  # as its host last said: on, off, paused, crashed, absent
    drift: Mapped[JsonDict | None]  # contracts.drift.Drift, while it is other than it was asked to be
    pending: Mapped[JsonDict | None]  # contracts.sizes.waiting: what it has of its sizes until it is off
    observed: Mapped[JsonDict | None]  # the guest's last report
    seen_at: Mapped[float | None]  # when the guest last spoke
    labels: Mapped[JsonDict] = mapped_column(default=dict)
    protect: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[Id] = mapped_column(default="")
    created_at: Mapped[float]
    updated_at: Mapped[float]
    deleted_at: Mapped[float | None]
