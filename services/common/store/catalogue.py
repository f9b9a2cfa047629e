# SPDX-License-Identifier: Apache-2.0
"""Flavors, networks with the addresses given out, and imported media."""

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, UniqueConstraint, case, false, func, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, Id, JsonList, Key, Long, Name, Word


class Flavor(Base):
    """A size a vm can have."""

    __tablename__ = "flavors"
    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Network(Base):
    """A network vms can be plugged into; without a project every project may use it."""

    __tablename__ = "networks"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[Key]
    project_id: Mapped[Id | None]
    name: Mapped[Name]
    kind: Mapped[Word]  # contracts.network.NetworkKind
    cidr: Mapped[Word] = mapped_column(default="")
    gateway: Mapped[Word] = mapped_column(default="")
    dhcp_start: Mapped[Word] = mapped_column(default="")
    dhcp_end: Mapped[Word] = mapped_column(default="")
    dns: Mapped[JsonList] = mapped_column(default=list)
    bridge: Mapped[Word] = mapped_column(default="")
    mtu: Mapped[int] = mapped_column(default=0)
    ranges: Mapped[JsonList] = mapped_column(default=list, server_default=text("'[]'"))  # {start, end}
    reservations: Mapped[JsonList] = mapped_column(default=list, server_default=text("'[]'"))  # {address, mac | name}
    vlan: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # 0: none
    anti_spoof: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[float]
    updated_at: Mapped[float]


class AddressLease(Base):
    """A static address given to a vm's NIC: no other vm can have it."""

    __tablename__ = "address_leases"
    __table_args__ = (Index("ix_address_leases_vm_id", "vm_id"),)
    network_id: Mapped[str] = mapped_column(ForeignKey("networks.id"), primary_key=True)
    address: Mapped[Word] = mapped_column(primary_key=True)  # without prefix length
    vm_id: Mapped[Id]
    mac: Mapped[Word]
    created_at: Mapped[float]


class Media(Base):
    """A vendor's ISO or cloud image, known by its sha256 and kept by that of what is in the store: mostly the same.

    Without a URL its bytes are sent to us. `collected_at` says that the file made room for others: the row stays, and
    importing it again brings the file back.
    """

    __tablename__ = "media"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[Key]
    project_id: Mapped[Id]
    name: Mapped[Name]
    os: Mapped[Word] = mapped_column(default="")
    kind: Mapped[Word]  # iso | cloud-image
    url: Mapped[Long]
    sha256: Mapped[Word]
    kept: Mapped[Word] = mapped_column(default="")  # once it has come; of an OVA the sum of the disk that was in it
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes kept; of one that is coming: as far as it is known
    state: Mapped[Word]
    job_id: Mapped[Id | None]
    error: Mapped[Long] = mapped_column(default="")
    protect: Mapped[bool] = mapped_column(default=False)  # never collected
    last_used_at: Mapped[float | None]
    collected_at: Mapped[float | None]
    created_at: Mapped[float]
    updated_at: Mapped[float]

    @hybrid_property
    def file(self) -> str:
        """The sha256 under which it lies in the store, or will, as far as is known."""
        return self.kept or self.sha256.lower()

    @file.inplace.expression
    @classmethod
    def _file(cls) -> ColumnElement[str]:
        return case((cls.kept == "", func.lower(cls.sha256)), else_=cls.kept)
