# SPDX-License-Identifier: Apache-2.0
"""Capacity held on a host for a vm, taken by compare-and-swap.

`hosts.used_*` goes up here and down in store.giving_back, nowhere else, and always together with a row of `claims`
in the same transaction.
"""

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

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


def claims_by_host(session: Session) -> dict[str, int]:
    """How many claims each host holds, by the host's name; hosts without any are there with 0."""
    found = {name: 0 for (name,) in session.execute(select(Host.name))}
    for (name,) in session.execute(select(Host.name).join(Claim, Claim.host_id == Host.id)):
        found[name] += 1
    return found
