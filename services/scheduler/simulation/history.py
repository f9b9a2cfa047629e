# SPDX-License-Identifier: Apache-2.0
"""The decisions that are kept, as a trace: what was asked for when, where it went, and how long it lived."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.common.contracts.codec import load
from services.common.contracts.placement import HostView, Request
from services.common.contracts.states import HostState
from services.common.store.hosts import StoredDecision
from services.common.store.vms import Vm
from services.scheduler.simulation.trace import Arrival

FOR_GOOD = float("inf")


@dataclass(frozen=True)
class Span:
    """The latest `most` decisions that were made from `since` on; `now` is their end. Epoch seconds."""

    since: float
    now: float
    most: int


def recorded(session: Session, span: Span, hosts: Collection[str]) -> tuple[tuple[Arrival, ...], float]:
    """Arrivals from the first one on, and when it is now; of each vm its last decision, refused ones among them.

    Where a vm went is told of the hosts named; of others nothing is known any more.
    """
    row = StoredDecision
    query = (
        select(row.vm_id, row.host_id, row.created_at, row.explanation["request"], Vm.deleted_at)
        .outerjoin(Vm, Vm.id == row.vm_id)
        .where(row.created_at >= span.since)
        .order_by(row.created_at.desc(), row.id.desc())
        .limit(span.most)
    )
    found: dict[str, Arrival] = {}
    for vm_id, host_id, at, request, ended in session.execute(query):
        lasts = FOR_GOOD if ended is None else max(0.0, ended - at)
        host = host_id if host_id in hosts else ""
        found.setdefault(vm_id, Arrival(at, load(Request, request), lasts, host=host))
    kept = list(found.values())[::-1]
    start = kept[0].at if kept else span.now
    return tuple(replace(arrival, at=arrival.at - start) for arrival in kept), max(1.0, span.now - start)


def emptied(hosts: Sequence[HostView]) -> tuple[HostView, ...]:
    """The hosts as they would be with nothing on them, up and heard just now."""
    return tuple(_emptied(host) for host in hosts)


def _emptied(host: HostView) -> HostView:
    """What of a host stays as it is, whatever happens on it."""
    return HostView(
        host.id,
        host.name,
        host.driver,
        HostState.UP.value,
        host.zone,
        host.traits,
        host.vcpus,
        host.memory_mib,
        host.disk_gib,
        capabilities=host.capabilities,
        datastores=host.datastores,  # how large they are is told by no view: what was left then
        heartbeat_age_s=0.0,
        power_curve=host.power_curve,
        rack=host.rack,
        price_kwh=host.price_kwh,
    )
