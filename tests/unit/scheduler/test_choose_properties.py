# SPDX-License-Identifier: Apache-2.0
"""What holds for every request and every set of hosts."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.placement import HostView, Request
from services.scheduler.choose import choose, judge
from services.scheduler.policy import Policy
from tests.support.fleets import any_fleet, any_request, host_named
from tests.support.placing import SHELF, relaxed

NAMED = [SHELF.get(name) for name in ("balanced", "energy-first", "licence-pool", "spread-ha")]
policies = st.sampled_from(NAMED)
alone = st.sampled_from(NAMED[:3])  # spread-ha counts the room of all hosts


quick = settings(max_examples=100, deadline=None)


@quick
@given(any_request, any_fleet, policies, st.randoms(use_true_random=False))
def test_the_order_of_hosts_changes_nothing(
    request: Request, hosts: tuple[HostView, ...], policy: Policy, rng: random.Random
) -> None:
    shuffled = list(hosts)
    rng.shuffle(shuffled)
    assert choose(request, shuffled, policy, 1) == choose(request, hosts, policy, 1)


@quick
@given(any_request, any_fleet, alone, host_named("zz"))
def test_a_host_that_cannot_take_it_changes_neither_choice_nor_scores(
    request: Request, hosts: tuple[HostView, ...], policy: Policy, extra: HostView
) -> None:
    if not judge(request, extra, policy).refusals:
        return
    without, with_it = choose(request, hosts, policy, 1), choose(request, (*hosts, extra), policy, 1)
    assert (with_it.host, with_it.candidates, with_it.watts) == (without.host, without.candidates, without.watts)


@quick
@given(any_request, any_fleet, policies)
def test_applying_a_relaxation_places_the_vm(request: Request, hosts: tuple[HostView, ...], policy: Policy) -> None:
    for relaxation in choose(request, hosts, policy, 1).relaxations:
        changed = relaxed(request, relaxation)
        assert choose(changed, hosts, policy, 1).host
        taker = next(h for h in hosts if h.id == relaxation.host)
        assert not judge(changed, taker, policy.among(changed, hosts)).refusals


@quick
@given(any_request, any_fleet, policies, st.randoms(use_true_random=False))
def test_terms_sum_to_the_score_exactly_in_any_order_and_norms_stay_within_their_scale(
    request: Request, hosts: tuple[HostView, ...], policy: Policy, rng: random.Random
) -> None:
    for scored in choose(request, hosts, policy, 1).candidates:
        terms = list(scored.terms.values())
        rng.shuffle(terms)
        assert sum(terms) == scored.score
        for weighted in policy.weighers:
            low, high = sorted((0.0, weighted.multiplier))
            assert low <= scored.terms[weighted.weigher.name] <= high


@quick
@given(any_request, any_fleet, policies)
def test_the_chosen_host_passes_every_filter_and_the_counts_add_up(
    request: Request, hosts: tuple[HostView, ...], policy: Policy
) -> None:
    decision = choose(request, hosts, policy, 1)
    rejected = sum(f.rejected_first for f in decision.filters)
    among = policy.among(request, hosts)
    feasible = [h for h in hosts if not judge(request, h, among).refusals]
    assert len(hosts) - rejected == len(feasible)
    assert bool(decision.host) is bool(feasible)
    assert decision.host in {h.id for h in feasible} | {""}
    assert not (decision.host and decision.relaxations)
