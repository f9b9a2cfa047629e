# SPDX-License-Identifier: Apache-2.0
"""Which vms could move so that thirsty hosts become empty and can sleep: a plan, bounded by a number of moves.

A host is emptied whole or not at all, since its idle watts are saved only then; the thirstiest for each vcpu it gives
are tried first, and their vms go where the policy would place them among awake hosts that are thriftier. Nothing is
moved here: no driver can move a running vm yet, so a plan is all there is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from services.common.contracts.moves import Move
from services.common.contracts.placement import HostView, Request
from services.common.contracts.states import HostState
from services.scheduler.choose import choose
from services.scheduler.energy import curve_of, watts_at, watts_per_vcpu
from services.scheduler.policy import Policy

MOST_TARGETS = 64  # the thriftiest hosts that are looked at for each vm
MOST_TRIES = 200  # hosts that are tried to be emptied


@dataclass(frozen=True)
class Emptied:
    """A host that these moves empty, and the watts that are saved once it sleeps."""

    host: str
    watts_saved: float
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Kept:
    """A host that keeps its vms, and why; `reason` goes on after its name."""

    host: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Hosts to be emptied, in order; and those with vms that won't be, the thirstiest first."""

    emptied: tuple[Emptied, ...] = ()
    kept: tuple[Kept, ...] = ()


def consolidation(hosts: Sequence[HostView], vms: Mapping[str, Sequence[Request]], policy: Policy, budget: int) -> Plan:
    """The plan, at most `budget` moves in all; `vms` by the id of the host they are on."""
    running = [h for h in hosts if h.state == HostState.UP and h.vms]
    views = {h.id: h for h in hosts if h.state == HostState.UP and watts_per_vcpu(h, policy.capacity) is not None}
    plan: list[Emptied] = []
    kept = [Kept(h.id, "has no power curve: nobody knows what it draws") for h in running if h.id not in views]
    given: set[str] = set()  # hosts that have been given vms stay
    thirsty = sorted((h for h in running if h.id in views), key=lambda h: (-_thirst(h, policy), h.id))
    for n, source in enumerate(thirsty):
        mine = vms.get(source.id, ())
        why = "is beyond the hosts that are tried" if n >= MOST_TRIES else _stays(source, mine, budget, given)
        found = None if why else _emptied(source, mine, [h for h in views.values() if h.id != source.id], policy)
        if isinstance(found, tuple):
            step, after = found
            views.update(after)
            given |= {move.target for move in step.moves}
            del views[source.id]
            budget -= len(step.moves)
            plan.append(step)
        else:
            kept.append(Kept(source.id, why or found or ""))
    return Plan(tuple(plan), tuple(kept))


def _stays(source: HostView, vms: Sequence[Request], budget: int, given: Collection[str]) -> str:
    """Why its vms aren't even tried; empty where they are."""
    if source.id in given:
        return "takes vms of the hosts that are emptied"
    if len(vms) != source.vms:
        return f"has {source.vms - len(vms)} vms that a job works on, or whose move was handed out lately"
    if len(vms) > budget:
        return f"has {len(vms)} vms, and {budget} moves are left"
    return ""


def _emptied(
    source: HostView, vms: Sequence[Request], others: Sequence[HostView], policy: Policy
) -> tuple[Emptied, Mapping[str, HostView]] | str:
    """The moves that empty it and the hosts as they are then; where they are impossible, or save nothing, why."""
    thriftier = [h for h in others if h.vms and _thirst(h, policy) < _thirst(source, policy)]
    if not thriftier:
        return "is among the thriftiest hosts that run vms"
    targets = {h.id: h for h in sorted(thriftier, key=lambda h: (_thirst(h, policy), h.id))[:MOST_TARGETS]}
    before, moves = dict(targets), []
    for request in sorted(vms, key=lambda r: (-r.vcpus, -r.memory_mib, r.id)):
        decision = choose(request, list(targets.values()), policy, 0)
        if not decision.host:
            near = f": {decision.misses[0].reason}" if decision.misses else ""
            return f"no thriftier host that runs vms takes vm {request.id}{near}"
        targets[decision.host] = _with(targets[decision.host], request)
        moves.append(Move(request.id, source.id, decision.host))
    added = sum(_watts(targets[host], policy) - _watts(before[host], policy) for host in targets)
    saved = _watts(source, policy) - added
    if saved <= 0:
        return f"would save nothing: its vms would draw {-saved:.0f} W more elsewhere"
    return Emptied(source.id, round(saved, 2), tuple(moves)), targets


def _with(host: HostView, request: Request) -> HostView:
    members = dict(host.members)
    for group in request.memberships:
        members[group] = members.get(group, 0) + 1
    return replace(
        host,
        used_vcpus=host.used_vcpus + request.vcpus,
        used_memory_mib=host.used_memory_mib + request.memory_mib,
        used_disk_gib=host.used_disk_gib + request.disk_gib,
        vms=host.vms + 1,
        members=members,
    )


def _watts(host: HostView, policy: Policy) -> float:
    """What it draws at the utilisation its claims stand for."""
    curve, limit = curve_of(host), policy.capacity.limits(host).vcpus
    return watts_at(curve, host.used_vcpus / limit) if curve is not None and limit > 0 else 0.0


def _thirst(host: HostView, policy: Policy) -> float:
    return watts_per_vcpu(host, policy.capacity) or 0.0
