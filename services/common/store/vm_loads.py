# SPDX-License-Identifier: Apache-2.0
"""How many cores each vm of a host kept busy, as its last heartbeat told; apart, since placements don't read it."""

from sqlalchemy.orm import Mapped, mapped_column

from services.common.store.base import Base, JsonDict, Key


class VmLoad(Base):
    """One row a host; it goes with the host."""

    __tablename__ = "vm_loads"
    host_id: Mapped[Key]
    cores: Mapped[JsonDict] = mapped_column(default=dict)  # by vm id
