# SPDX-License-Identifier: Apache-2.0
"""What every installation has from the start: its id, a project, flavors, and two networks."""

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.ids import new_id
from services.common.contracts.network import NetworkKind
from services.common.store.catalogue import Flavor, Network
from services.common.store.hosts import Installation
from services.common.store.projects import Project

FLAVORS = (("tiny", 1, 256, 1), ("small", 1, 512, 4), ("medium", 2, 2048, 20), ("large", 4, 8192, 80))


def seed(session: Session) -> None:
    """Add what is missing; what people changed or removed later stays so (it is done once)."""
    if session.scalars(select(Installation)).first() is not None:
        return
    now = time.time()
    stamps = {"created_at": now, "updated_at": now}
    session.add(Installation(id=new_id(), created_at=now))
    session.add(Project(id=new_id(), name="default", description="", quotas={}, **stamps))
    for name, vcpus, memory, disk in FLAVORS:
        session.add(Flavor(id=new_id(), name=name, vcpus=vcpus, memory_mib=memory, disk_gib=disk, **stamps))
    session.add(
        Network(
            id=new_id(),
            name="default",
            kind=NetworkKind.NAT,
            cidr="10.77.0.0/24",
            gateway="10.77.0.1",
            dhcp_start="10.77.0.100",
            dhcp_end="10.77.0.199",
            dns=["10.77.0.1"],
            **stamps,
        )
    )
    session.add(Network(id=new_id(), name="lab", kind=NetworkKind.ISOLATED, cidr="10.78.0.0/24", **stamps))
