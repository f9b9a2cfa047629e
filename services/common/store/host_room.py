# SPDX-License-Identifier: Apache-2.0
"""Room of a host that is given back: whatever held it (a claim or a volume) holds less, in the same transaction."""

from sqlalchemy import ColumnElement, case, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.common.store.hosts import Host


def give_room_back(session: Session, host_id: str, *, vcpus: int = 0, memory_mib: int = 0, disk_gib: int = 0) -> None:
    """The host has this much more to give. `hosts.used_*` goes down here and nowhere else, never below nothing."""
    session.execute(
        update(Host)
        .where(Host.id == host_id)
        .values(
            used_vcpus=_less(Host.used_vcpus, vcpus),
            used_memory_mib=_less(Host.used_memory_mib, memory_mib),
            used_disk_gib=_less(Host.used_disk_gib, disk_gib),
            generation=Host.generation + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _less(column: InstrumentedAttribute[int], amount: int) -> ColumnElement[int]:
    # A broken count must not keep a vm from being deleted: stop at nothing.
    return case((column > amount, column - amount), else_=0)
