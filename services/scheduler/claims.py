# SPDX-License-Identifier: Apache-2.0
"""Capacity held on a host for a vm: taken by compare-and-swap, given back exactly once.

`hosts.used_*` is changed here and nowhere else, always together with a row of `claims` in the same transaction.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.common.contracts.errors import Conflict
from services.common.contracts.placement import HostView, Request
from services.common.store.hosts import Claim, Host
from services.common.store.tables import table_of
from services.scheduler.capacity import Amounts


@dataclass(frozen=True)
class Claimant:
    """Whose claim it is, and when it is made (epoch seconds)."""

    vm: str
    job: str
    now: float


def held(session: Session, vm_id: str) -> Claim | None:
    """The vm's claim, if it has one."""
    return session.get(Claim, vm_id, populate_existing=True)


def hold(session: Session, claimant: Claimant, request: Request, host: HostView, limits: Amounts) -> bool:
    """Claim what the request asks of this host within `limits`; False (and nothing done) where that doesn't fit.

    The host must still be as `host` shows it in state and size, since the limits were worked out from that.
    Raises Conflict where the vm has a claim already.
    """
    taken = session.execute(
        update(Host)
        .where(
            Host.id == host.id,
            Host.state == host.state,
            Host.vcpus == host.vcpus,
            Host.memory_mib == host.memory_mib,
            Host.disk_gib == host.disk_gib,
            Host.used_vcpus + request.vcpus <= limits.vcpus,
            Host.used_memory_mib + request.memory_mib <= limits.memory_mib,
            Host.used_disk_gib + request.disk_gib <= limits.disk_gib,
        )
        .values(
            used_vcpus=Host.used_vcpus + request.vcpus,
            used_memory_mib=Host.used_memory_mib + request.memory_mib,
            used_disk_gib=Host.used_disk_gib + request.disk_gib,
            generation=Host.generation + 1,
        )
        .returning(Host.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if taken is None:
        return False
    row = {
        "vm_id": claimant.vm,
        "job_id": claimant.job,
        "host_id": host.id,
        "vcpus": request.vcpus,
        "memory_mib": request.memory_mib,
        "disk_gib": request.disk_gib,
        "created_at": claimant.now,
    }
    try:
        session.execute(insert(table_of(Claim)).values(**row))
    except IntegrityError as error:
        raise Conflict(f"vm {claimant.vm} has a claim already") from error
    return True


def release(session: Session, vm_id: str) -> bool:
    """Give back exactly what the vm's claim holds; False where it holds nothing (any more)."""
    claim = session.execute(
        delete(Claim)
        .where(Claim.vm_id == vm_id)
        .returning(Claim.host_id, Claim.vcpus, Claim.memory_mib, Claim.disk_gib)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if claim is None:
        return False
    host_id, vcpus, memory_mib, disk_gib = claim
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
    return True


def claims_by_host(session: Session) -> dict[str, int]:
    """How many claims each host holds, by the host's name; hosts without any are there with 0."""
    found = {name: 0 for (name,) in session.execute(select(Host.name))}
    for (name,) in session.execute(select(Host.name).join(Claim, Claim.host_id == Host.id)):
        found[name] += 1
    return found


def _less(column: InstrumentedAttribute[int], amount: int) -> ColumnElement[int]:
    # A broken count must not keep a vm from being deleted: stop at nothing.
    return case((column > amount, column - amount), else_=0)
