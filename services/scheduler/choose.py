# SPDX-License-Identifier: Apache-2.0
"""Chooses a host and says why: pure and deterministic, the same input always gives the same decision.

Each host is judged by every filter, not only up to the first that refuses it: the explanation is part of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from services.common.contracts.placement import Decision, FilterCount, HostView, Miss, Relaxation, Request, Scored
from services.scheduler.energy import watts_added
from services.scheduler.policy import Policy
from services.scheduler.relax import relaxations
from services.scheduler.rule import Refusal

Scale = tuple[float, float]
_GRAIN = 2.0**20  # terms are multiples of 1/2**20: floats add those up exactly, in any order


@dataclass(frozen=True)
class Verdict:
    """What every filter says of one host; no refusals means it can take the vm."""

    host: HostView
    refusals: dict[str, Refusal]


def choose(request: Request, hosts: Sequence[HostView], policy: Policy, generation: int) -> Decision:
    """The best host for the request among `hosts`, in any order; `generation` names the state they were read at."""
    policy = policy.among(request, hosts)
    verdicts = [judge(request, host, policy) for host in hosts]
    ranked = _rank(request, [v.host for v in verdicts if not v.refusals], policy)
    refused = [v for v in verdicts if v.refusals]
    nearest = sorted(refused, key=lambda v: _distance(request, v))
    winner = ranked[0] if ranked else None
    watts = watts_added(request, winner[1], policy.capacity) if winner else None
    return Decision(
        request,
        policy.name,
        policy.sha256,
        generation,
        winner[1].id if winner else "",
        candidates=tuple(scored for scored, _ in ranked[: policy.top]),
        filters=_counts(verdicts, policy),
        misses=tuple(miss(v) for v in nearest[: policy.top]),
        relaxations=() if winner else _ways(request, hosts, refused, policy),
        watts=None if watts is None else round(watts, 3),
    )


def judge(request: Request, host: HostView, policy: Policy) -> Verdict:
    """What each filter of the policy says of this host; a policy that looks at others must be `among` them."""
    said = ((f.name, f.refuse(request, host)) for f in policy.filters)
    return Verdict(host, {name: refusal for name, refusal in said if refusal is not None})


def score(request: Request, host: HostView, policy: Policy, scales: Sequence[Scale] = ()) -> Scored:
    """What this host is worth: its terms sum to the score exactly. `scales` stretch the norms, one each weigher."""
    terms = {}
    for n, weighted in enumerate(policy.weighers):
        norm = weighted.weigher.norm(request, host)
        if scales:
            low, high = scales[n]
            norm = (norm - low) / (high - low) if high > low else 0.0
        terms[weighted.weigher.name] = round(weighted.multiplier * norm * _GRAIN) / _GRAIN
    return Scored(host.id, sum(terms.values()), terms)


def scales_of(request: Request, candidates: Sequence[HostView], policy: Policy) -> tuple[Scale, ...]:
    """The least and the greatest norm of each weigher among the candidates, where the policy wants minmax."""
    if policy.normalise != "minmax" or not candidates:
        return ()
    norms = [[w.weigher.norm(request, host) for host in candidates] for w in policy.weighers]
    return tuple((min(each), max(each)) for each in norms)


def pick(request: Request, candidates: int, policy: Policy) -> int:
    """Which of so many candidates, best first, the request gets: 0, or one of the best by a seed of its id."""
    among = min(policy.tie_break.among_top, candidates)
    return crc32(request.id.encode()) % among if among > 1 else 0


def miss(verdict: Verdict) -> Miss:
    """Why the host was refused, in one sentence with everything that stands in the way."""
    lacks = {field: amount for r in verdict.refusals.values() for field, amount in r.lacks.items()}
    reasons = ", ".join(r.reason for r in verdict.refusals.values())
    return Miss(verdict.host.id, next(iter(verdict.refusals)), f"{verdict.host.name} {reasons}", lacks)


def _rank(request: Request, hosts: Sequence[HostView], policy: Policy) -> list[tuple[Scored, HostView]]:
    """Best first; the one that was picked before all others."""
    scales = scales_of(request, hosts, policy)
    scored = [(score(request, host, policy, scales), host) for host in hosts]
    ranked = sorted(scored, key=lambda pair: (-pair[0].score, *_tie(pair[1], policy)))
    if ranked:
        ranked.insert(0, ranked.pop(pick(request, len(ranked), policy)))
    return ranked


def _tie(host: HostView, policy: Policy) -> tuple[int, str]:
    return host.vms if "fewest_vms" in policy.tie_break.order else 0, host.id


def _ways(
    request: Request, hosts: Sequence[HostView], refused: Sequence[Verdict], policy: Policy
) -> tuple[Relaxation, ...]:
    def takes(changed: Request, host: HostView) -> bool:
        return not judge(changed, host, policy.among(changed, hosts)).refusals

    fields = policy.on_no_host.suggest
    return relaxations(request, [(v.host, v.refusals.values()) for v in refused], takes, fields)


def _distance(request: Request, verdict: Verdict) -> tuple[int, int, float, str]:
    """How far a host is from taking the vm: what can't be changed weighs most, then how many rules, then how much."""
    hopeless = sum(r.change is None for r in verdict.refusals.values())
    short = sum(
        amount / max(1, getattr(request, field)) for r in verdict.refusals.values() for field, amount in r.lacks.items()
    )
    return hopeless, len(verdict.refusals), short, verdict.host.id


def _counts(verdicts: Sequence[Verdict], policy: Policy) -> tuple[FilterCount, ...]:
    counts, left = [], list(verdicts)
    for rule in policy.filters:
        by_this = [v for v in left if rule.name in v.refusals]
        alone = sum(len(v.refusals) == 1 for v in by_this)
        counts.append(FilterCount(rule.name, len(left), len(by_this), alone))
        left = [v for v in left if rule.name not in v.refusals]
    return tuple(counts)
