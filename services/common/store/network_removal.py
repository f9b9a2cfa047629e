# SPDX-License-Identifier: Apache-2.0
"""A network that was deleted is taken off the hosts: each is told once, and the audit shows who missed it."""

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.commands import Command, Verb
from services.common.contracts.ids import derived_id
from services.common.contracts.states import HostState
from services.common.store import outbox
from services.common.store.hosts import Host

PATIENCE_S = 60.0


def take_off_hosts(session: Session, network_id: str, platform: str) -> None:
    """Tell every host that ever spoke; what was never there is fine."""
    for host_id in session.scalars(select(Host.id).where(Host.state != HostState.ENROLLED)):
        command = Command(
            id=derived_id(network_id, "drop", host_id),
            verb=Verb.DROP_NETWORK,
            host=host_id,
            vm=network_id,
            job="",
            step="drop-network",
            fence=int(time.time()),
            platform=platform,
            timeout_s=PATIENCE_S,
        )
        outbox.put(session, command=command)
