# SPDX-License-Identifier: Apache-2.0
"""The one way a host's state changes once it is known: by compare-and-swap, along the table of moves."""

import time
from collections.abc import Iterable

from sqlalchemy import and_, exists, update
from sqlalchemy.orm import Session

from services.common.contracts.states import HOST_MOVES, HostState
from services.common.store.datastores import NOTHING_LIES_THERE
from services.common.store.hosts import Claim, Host
from services.common.store.waiting_for_room import ring_for_room

EMPTY = and_(
    Host.used_vcpus == 0,
    Host.used_memory_mib == 0,
    Host.used_disk_gib == 0,
    NOTHING_LIES_THERE,
    ~exists().where(Claim.host_id == Host.id),
)


def move_host(
    session: Session, host_id: str, target: HostState, among: Iterable[HostState] = (), empty: bool = False
) -> bool:
    """Move the host, if it is (still) in one of the states `among` (all that may move there) and, where asked, empty.

    A claim checks the state in the same way: either it comes first, and the host isn't empty, or it comes too late.
    A host that is up now has room: vms that wait for some are looked at again.
    """
    legal = {old for old, new in HOST_MOVES.items() if target in new}
    wanted = [str(old) for old in (legal & set(among) if among else legal)]
    here = [Host.id == host_id, Host.state.in_(wanted), *([EMPTY] if empty else [])]
    values = {"state": str(target), "generation": Host.generation + 1, "updated_at": time.time()}
    change = update(Host).where(*here).values(**values).returning(Host.id)
    moved = session.execute(change.execution_options(synchronize_session=False)).first() is not None
    if moved and target == HostState.UP:
        ring_for_room(session)
    return moved
