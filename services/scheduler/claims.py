# SPDX-License-Identifier: Apache-2.0
"""Capacity held on hosts for vms, taken by compare-and-swap, for one vm or for many in a few statements.

`hosts.used_*` goes up in three places, each time together with what holds it: here with a new row of `claims`, in
`resizing` with a claim that grows, in store.volumes with `volumes.held_gib`. It goes down in store.host_room alone. The
limit of whoever claims is written with it, so that the database itself refuses more. Room on datastores is held in
`datastore_claims`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.common.contracts.errors import Conflict
from services.common.contracts.placement import HostView, Request
from services.common.store.giving_back import give_up_claim
from services.common.store.hosts import Claim, Host
from services.scheduler import claim_rows
from services.scheduler.capacity import Amounts
from services.scheduler.datastore_claims import hold_on_datastores


@dataclass(frozen=True)
class Claimant:
    """Whose claim it is, and when it is made (epoch seconds)."""

    vm: str
    job: str
    now: float


@dataclass(frozen=True)
class Wanted:
    """A claim to be made on a host as it was seen; `apart` are (group, place) that the vm must have to itself."""

    claimant: Claimant
    request: Request
    host: HostView
    limits: Amounts
    apart: tuple[tuple[str, str], ...] = ()


class Outcome(StrEnum):
    """What became of a claim. Only HELD left anything behind."""

    HELD = "held"
    FULL = "full"  # or the host isn't any more as it was seen
    TAKEN = "taken"  # the vm has a claim already
    CROWDED = "crowded"  # another of its group has the place


def held(session: Session, vm_id: str) -> Claim | None:
    """The vm's claim, if it has one."""
    return session.get(Claim, vm_id, populate_existing=True)


def hold(session: Session, claimant: Claimant, request: Request, host: HostView, limits: Amounts) -> bool:
    """Claim what the request asks of this host within `limits`; False (and nothing done) where that doesn't fit.

    The host must still be as `host` shows it in state and size, since the limits were worked out from that.
    Raises Conflict where the vm has a claim already.
    """
    outcome = hold_together(session, [Wanted(claimant, request, host, limits)])[claimant.vm]
    if outcome == Outcome.TAKEN:
        raise Conflict(f"vm {claimant.vm} has a claim already")
    return outcome == Outcome.HELD


def hold_together(session: Session, wanted: Sequence[Wanted]) -> dict[str, Outcome]:
    """Make all these claims of different vms that can be made, in this transaction; what became of each, by vm.

    Rows are locked in one order everywhere (hosts by id, then claims by vm), so that groups wait for each other
    instead of deadlocking.
    """
    outcomes = {want.claimant.vm: Outcome.FULL for want in wanted}
    roomy = _with_room(session, wanted)
    if not roomy:
        return outcomes
    new = claim_rows.insert_claims(session, [_claim(want) for want in roomy])
    for want in roomy:
        outcomes[want.claimant.vm] = Outcome.HELD if want.claimant.vm in new else Outcome.TAKEN
        if want.claimant.vm not in new:
            claim_rows.take_back(session, want.host.id, want.request)
    _keep_apart(session, [want for want in roomy if want.claimant.vm in new and want.apart], outcomes)
    for want in roomy:
        vm, room = want.claimant.vm, want.request.datastores
        if room and outcomes[vm] == Outcome.HELD and not hold_on_datastores(session, vm, want.host.id, room):
            outcomes[vm] = Outcome.FULL
    return outcomes


def claims_by_host(session: Session) -> dict[str, int]:
    """How many claims each host holds, by the host's name; hosts without any are there with 0."""
    counts = select(Claim.host_id, func.count().label("vms")).group_by(Claim.host_id).subquery()
    query = select(Host.name, func.coalesce(counts.c.vms, 0)).outerjoin(counts, counts.c.host_id == Host.id)
    return {name: vms for name, vms in session.execute(query)}


def _with_room(session: Session, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those whose hosts took them. All of a host's are tried at once; where that is too much, each by itself."""
    by_host: dict[tuple[object, ...], list[Wanted]] = {}
    for want in wanted:
        seen = (want.host.id, want.host.state, want.host.vcpus, want.host.memory_mib, want.host.disk_gib, want.limits)
        by_host.setdefault(seen, []).append(want)
    groups = sorted(by_host.values(), key=lambda group: group[0].host.id)
    roomy: list[Wanted] = []
    again: list[Wanted] = []
    for some in _rounds(groups):
        full = claim_rows.raise_used(session, [_sum(group) for group in some])
        for group in some:
            if group[0].host.id not in full:
                roomy += group
            elif len(group) > 1:
                again += group
    for want in again:
        if not claim_rows.raise_used(session, [_sum([want])]):
            roomy.append(want)
    return roomy


def _rounds(groups: Sequence[list[Wanted]]) -> Iterable[list[list[Wanted]]]:
    """One statement changes a row once: groups on the same host, by other policies, go into later rounds."""
    rounds: list[dict[str, list[Wanted]]] = []
    for group in groups:
        host = group[0].host.id
        free = next((found for found in rounds if host not in found), None)
        if free is None:
            rounds.append({host: group})
        else:
            free[host] = group
    return [list(found.values()) for found in rounds]


def _sum(group: Sequence[Wanted]) -> claim_rows.Rise:
    first = group[0]
    return claim_rows.Rise(
        first.host,
        sum(want.request.vcpus for want in group),
        sum(want.request.memory_mib for want in group),
        sum(want.request.disk_gib for want in group),
        first.limits,
        len(group),
    )


def _claim(want: Wanted) -> claim_rows.Values:
    return {
        "vm_id": want.claimant.vm,
        "job_id": want.claimant.job,
        "host_id": want.host.id,
        "vcpus": want.request.vcpus,
        "memory_mib": want.request.memory_mib,
        "disk_gib": want.request.disk_gib,
        "labels": dict(want.request.labels),
        "created_at": want.claimant.now,
    }


def _keep_apart(session: Session, wanted: Sequence[Wanted], outcomes: dict[str, Outcome]) -> None:
    """Give each of these the places it must have to itself, or take its claim back."""
    asked = [{"name": name, "place": place, "vm_id": want.claimant.vm} for want in wanted for name, place in want.apart]
    if not asked:
        return
    got = claim_rows.insert_groups(session, asked)
    for want in wanted:
        if any((want.claimant.vm, name, place) not in got for name, place in want.apart):
            give_up_claim(session, want.claimant.vm)
            outcomes[want.claimant.vm] = Outcome.CROWDED
