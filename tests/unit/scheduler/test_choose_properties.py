# SPDX-License-Identifier: Apache-2.0
"""What holds for every request and every set of hosts."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts.placement import HostView, Request
from services.scheduler.choose import choose, judge
from services.scheduler.policy import Policy
from tests.support.placing import CURVE, SHELF, a_host, a_request, relaxed

ZONES, DRIVERS, TRAITS = ("", "a", "b"), ("fake", "libvirt"), ("gpu", "ssd", "nvme")
NAMES = [f"h{n}" for n in range(6)]

requests = st.builds(
    a_request,
    vcpus=st.integers(1, 40),
    memory_mib=st.sampled_from((64, 1024, 8192, 131072)),
    disk_gib=st.integers(1, 600),
    zone=st.sampled_from(ZONES),
    hypervisor=st.sampled_from(("", *DRIVERS)),
    host=st.sampled_from(("", "", "", "id-h1", "nowhere")),
    traits=st.lists(st.sampled_from(TRAITS), max_size=2, unique=True).map(tuple),
)
NAMED = [SHELF.get(name) for name in ("balanced", "energy-first", "licence-pool", "spread-ha")]
policies = st.sampled_from(NAMED)
alone = st.sampled_from(NAMED[:3])  # spread-ha counts the room of all hosts


def hosts_named(name: str) -> st.SearchStrategy[HostView]:
    """Any host of that name, sane or not so sane."""
    return st.builds(
        a_host,
        st.just(name),
        driver=st.sampled_from(DRIVERS),
        state=st.sampled_from(("up", "up", "up", "down", "draining")),
        zone=st.sampled_from(ZONES),
        traits=st.lists(st.sampled_from(TRAITS), max_size=3, unique=True).map(tuple),
        vcpus=st.sampled_from((0, 2, 16, 64)),
        memory_mib=st.sampled_from((512, 8192, 65536)),
        used_vcpus=st.integers(0, 20),
        used_memory_mib=st.integers(0, 8192),
        used_disk_gib=st.integers(0, 600),
        vms=st.integers(0, 3),
        cpu_percent=st.none() | st.floats(0, 100),
        watts=st.none() | st.floats(0, 1000),
        power_curve=st.sampled_from(((), CURVE, (10.0, 20.0))),
        heartbeat_age_s=st.none() | st.sampled_from((1.0, 29.0, 400.0)),
    )


inventories = st.lists(st.sampled_from(NAMES), unique=True, max_size=5).flatmap(
    lambda names: st.tuples(*(hosts_named(name) for name in names))
)
quick = settings(max_examples=100, deadline=None)


@quick
@given(requests, inventories, policies, st.randoms(use_true_random=False))
def test_the_order_of_hosts_changes_nothing(
    request: Request, hosts: tuple[HostView, ...], policy: Policy, rng: random.Random
) -> None:
    shuffled = list(hosts)
    rng.shuffle(shuffled)
    assert choose(request, shuffled, policy, 1) == choose(request, hosts, policy, 1)


@quick
@given(requests, inventories, alone, hosts_named("zz"))
def test_a_host_that_cannot_take_it_changes_neither_choice_nor_scores(
    request: Request, hosts: tuple[HostView, ...], policy: Policy, extra: HostView
) -> None:
    if not judge(request, extra, policy).refusals:
        return
    without, with_it = choose(request, hosts, policy, 1), choose(request, (*hosts, extra), policy, 1)
    assert (with_it.host, with_it.candidates, with_it.watts) == (without.host, without.candidates, without.watts)


@quick
@given(requests, inventories, policies)
def test_applying_a_relaxation_places_the_vm(request: Request, hosts: tuple[HostView, ...], policy: Policy) -> None:
    for relaxation in choose(request, hosts, policy, 1).relaxations:
        changed = relaxed(request, relaxation)
        assert choose(changed, hosts, policy, 1).host
        taker = next(h for h in hosts if h.id == relaxation.host)
        assert not judge(changed, taker, policy.among(changed, hosts)).refusals


@quick
@given(requests, inventories, policies, st.randoms(use_true_random=False))
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
@given(requests, inventories, policies)
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
