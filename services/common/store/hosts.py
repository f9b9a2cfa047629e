# SPDX-License-Identifier: Apache-2.0
"""Hosts, what they hold claimed, and the decisions that chose them."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonDict, JsonList, Key, Long, Name, Word
from services.common.store.explanations import Explanation


class Host(Base):
    """A host that runs vms. `used_*` is what claims and volumes hold, changed only together with one of them.

    `limit_*` is the most they may add up to by the policy that claimed last, written with its claim (None: nothing was
    ever claimed). Policies differ in overcommit, so no one number holds for all; but whoever raises `used_*` states the
    limit in the same statement, and the database refuses what goes beyond it.
    """

    __tablename__ = "hosts"
    __table_args__ = (
        CheckConstraint("used_vcpus >= 0 AND used_memory_mib >= 0 AND used_disk_gib >= 0", name="used_not_negative"),
        *(
            CheckConstraint(f"used_{name} <= limit_{name}", name=f"{name}_within_limit")
            for name in ("vcpus", "memory_mib", "disk_gib")
        ),
    )
    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    driver: Mapped[Word]
    state: Mapped[Word]
    zone: Mapped[Word] = mapped_column(default="")
    rack: Mapped[Word] = mapped_column(default="", server_default="")
    traits: Mapped[JsonList] = mapped_column(default=list)
    labels: Mapped[JsonDict] = mapped_column(default=dict)
    vcpus: Mapped[int] = mapped_column(default=0)
    memory_mib: Mapped[int] = mapped_column(default=0)
    disk_gib: Mapped[int] = mapped_column(default=0)
    used_vcpus: Mapped[int] = mapped_column(default=0)
    used_memory_mib: Mapped[int] = mapped_column(default=0)
    used_disk_gib: Mapped[int] = mapped_column(default=0)
    limit_vcpus: Mapped[int | None]
    limit_memory_mib: Mapped[int | None]
    limit_disk_gib: Mapped[int | None]
    facts: Mapped[JsonDict] = mapped_column(default=dict)  # contracts.events.HostFacts
    telemetry: Mapped[JsonDict] = mapped_column(default=dict)  # contracts.events.Telemetry
    power_curve: Mapped[JsonList] = mapped_column(default=list)
    price_kwh: Mapped[float | None]  # of its energy, in any currency
    tariff: Mapped[JsonDict] = mapped_column(default=dict, server_default=text("'{}'"))  # contracts.tariff; goes first
    broker_user: Mapped[Name] = mapped_column(default="")
    broker_password_hash: Mapped[Name] = mapped_column(default="")  # RabbitMQ's salted SHA-256
    generation: Mapped[int] = mapped_column(default=0)
    heartbeat_at: Mapped[float | None]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Claim(Base):
    """Capacity held on a host for one vm, written before anything else happens."""

    __tablename__ = "claims"
    __table_args__ = (Index("ix_claims_host_id", "host_id"),)
    vm_id: Mapped[Key]
    job_id: Mapped[Id]
    host_id: Mapped[str] = mapped_column(ForeignKey("hosts.id"))
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    labels: Mapped[JsonDict] = mapped_column(default=dict, server_default=text("'{}'"))  # the vm's, when it was placed
    datastores: Mapped[JsonDict] = mapped_column(default=dict, server_default=text("'{}'"))  # GiB held on each, by name
    created_at: Mapped[float]


class ClaimGroup(Base):
    """A place (a host, a rack) that one vm of a group has to itself, for as long as it holds its claim."""

    __tablename__ = "claim_groups"
    __table_args__ = (Index("ix_claim_groups_vm_id", "vm_id"),)
    name: Mapped[Long] = mapped_column(primary_key=True)
    place: Mapped[Name] = mapped_column(primary_key=True)
    vm_id: Mapped[str] = mapped_column(ForeignKey("claims.vm_id", ondelete="CASCADE"))


class StoredDecision(Base):
    """Why a host was chosen, or none: the whole explanation (contracts.placement.Decision)."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_job_id", "job_id"),
        Index("ix_decisions_vm_id", "vm_id"),
        Index("ix_decisions_policy_sha_created_at", "policy_sha", "created_at"),
    )
    id: Mapped[Key]
    project_id: Mapped[Id]
    job_id: Mapped[Id]
    vm_id: Mapped[Id]
    host_id: Mapped[Id | None]
    policy: Mapped[Name]
    policy_sha: Mapped[Word]
    generation: Mapped[int]
    seen: Mapped[JsonList] = mapped_column(default=list, server_default=text("'[]'"))  # the hosts it is told by, then
    explanation: Mapped[JsonDict] = mapped_column(Explanation)
    created_at: Mapped[float]


class Leader(Base):
    """Work that one process does at a time holds a row here until it expires."""

    __tablename__ = "leaders"
    role: Mapped[Word] = mapped_column(primary_key=True)
    owner: Mapped[Long]
    until: Mapped[float]


class Installation(Base):
    """This installation's own id: the owner mark on every hypervisor."""

    __tablename__ = "installation"
    id: Mapped[Key]
    created_at: Mapped[float]
