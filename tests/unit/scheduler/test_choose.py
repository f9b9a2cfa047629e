# SPDX-License-Identifier: Apache-2.0
"""What is chosen, and what the explanation says."""

from dataclasses import replace
from itertools import permutations

import pytest

from services.common.contracts.codec import dump, load
from services.common.contracts.placement import Decision
from services.scheduler.choose import choose
from tests.support.placing import CURVE, SHELF, a_host, a_request, plain_policy, relaxed

PLAIN = plain_policy()


def test_the_emptiest_host_is_chosen_by_spread_and_the_fullest_by_pack() -> None:
    hosts = [a_host("full", used_memory_mib=32768, vms=4), a_host("empty")]
    assert choose(a_request(), hosts, plain_policy("spread"), 7).host == "id-empty"
    assert choose(a_request(), hosts, plain_policy("pack"), 7).host == "id-full"


def test_equal_scores_go_to_the_host_with_fewest_vms_then_to_the_lowest_id() -> None:
    hosts = [a_host("b", vms=1), a_host("c"), a_host("a", vms=2)]
    assert choose(a_request(), hosts, PLAIN, 0).host == "id-c"
    assert choose(a_request(), [a_host("b"), a_host("a")], PLAIN, 0).host == "id-a"


def test_the_decision_tells_policy_generation_and_the_watts_added() -> None:
    decision = choose(a_request(vcpus=8), [a_host(power_curve=CURVE)], PLAIN, 42)
    assert (decision.policy, decision.policy_sha, decision.generation) == ("plain", PLAIN.sha256, 42)
    assert decision.watts == 100.0  # half of 200 W between idle and full


def test_watts_are_unknown_where_the_host_has_no_power_curve() -> None:
    assert choose(a_request(), [a_host()], PLAIN, 0).watts is None


def test_nothing_to_choose_from_is_a_decision_too() -> None:
    decision = choose(a_request(), [], PLAIN, 0)
    assert decision.host == ""
    assert decision.relaxations == ()
    assert all(f.tested == 0 for f in decision.filters)


def test_misses_say_in_numbers_what_is_lacking_nearest_first() -> None:
    hosts = [a_host("h17", memory_mib=6144), a_host("h9", memory_mib=1024, zone="b"), a_host("down", state="down")]
    decision = choose(a_request(memory_mib=8192, zone=""), hosts, PLAIN, 0)
    assert decision.host == ""
    assert [m.reason for m in decision.misses] == [
        "h17 lacks 2048 MiB of memory",
        "h9 lacks 7168 MiB of memory",
        "down is down, not up",
    ]
    assert decision.misses[0].lacks == {"memory_mib": 2048}
    assert decision.misses[0].filter == "capacity"


def test_a_host_without_the_datastore_or_without_room_on_it_is_refused_and_says_so() -> None:
    hosts = [a_host("h1", datastores={"nas": 500}), a_host("h2", datastores={"fast": 3}), a_host("h3")]
    decision = choose(a_request(datastores=(("fast", 20), ("nas", 1))), hosts, PLAIN, 0)
    assert (decision.host, decision.relaxations) == ("", ())
    assert {m.reason for m in decision.misses} == {
        "h1 has no datastore 'fast'",
        "h2 has 3 GiB left on its datastore 'fast', where 20 are asked for and has no datastore 'nas'",
        "h3 has no datastore 'fast' and has no datastore 'nas'",
    }
    roomy = a_host("h4", datastores={"fast": 20, "nas": 1})
    assert choose(decision.request, [*hosts, roomy], PLAIN, 0).host == roomy.id


def test_a_host_with_several_faults_tells_them_all() -> None:
    decision = choose(a_request(vcpus=32, zone="a"), [a_host("h1", zone="b")], PLAIN, 0)
    assert decision.misses[0].reason == "h1 is in zone b, not a, lacks 16 vCPUs"


def test_filters_count_hosts_tested_rejected_first_and_rejected_alone() -> None:
    hosts = [a_host("a"), a_host("b", state="down"), a_host("c", vcpus=1), a_host("d", state="down", vcpus=1)]
    counts = {f.filter: f for f in choose(a_request(vcpus=2), hosts, PLAIN, 0).filters}
    assert (counts["state"].tested, counts["state"].rejected_first, counts["state"].rejected_alone) == (4, 2, 1)
    assert (counts["capacity"].tested, counts["capacity"].rejected_first, counts["capacity"].rejected_alone) == (
        2,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("wish", "host", "field", "fits", "sentence"),
    [
        ({"memory_mib": 8192}, {"memory_mib": 6144}, "memory_mib", "6144", "h1 takes it with 6144 MiB of memory"),
        ({"vcpus": 99}, {}, "vcpus", "16", "h1 takes it with 16 vCPUs instead of 99 vCPUs"),
        ({"zone": "a"}, {"zone": "b"}, "zone", "b", "h1 takes it with zone b instead of zone a"),
        ({"zone": "a"}, {}, "zone", "", "h1 takes it with any zone instead of zone a"),
        ({"hypervisor": "libvirt"}, {}, "hypervisor", "fake", "h1 takes it with hypervisor fake"),
        ({"traits": ("gpu", "ssd")}, {"traits": ("ssd",)}, "traits", "ssd", "h1 takes it with the traits ssd instead"),
        ({"host": "nowhere"}, {}, "host", "", "h1 takes it with any host instead of host nowhere"),
        ({"zone": "a", "vcpus": 99}, {}, "zone, vcpus", ", 16", "h1 takes it with any zone and 16 vCPUs instead of"),
    ],
)
def test_the_smallest_relaxation_is_told_and_places(
    wish: dict[str, object], host: dict[str, object], field: str, fits: str, sentence: str
) -> None:
    request, hosts = a_request(**wish), [a_host("h1", **host)]
    found = choose(request, hosts, PLAIN, 0).relaxations[0]
    assert (found.field, found.fits, found.host) == (field, fits, "id-h1")
    assert found.sentence.startswith(sentence)
    assert choose(relaxed(request, found), hosts, PLAIN, 0).host == "id-h1"


def test_giving_up_less_comes_first() -> None:
    hosts = [a_host("small", memory_mib=2048), a_host("big", memory_mib=7168), a_host("other", zone="b", vcpus=1)]
    found = choose(a_request(memory_mib=8192, vcpus=4), hosts, PLAIN, 0).relaxations
    assert [(r.field, r.fits, r.host) for r in found][:2] == [
        ("memory_mib", "7168", "id-big"),
        ("vcpus", "1", "id-other"),
    ]


def test_no_relaxation_is_offered_for_a_host_that_is_down_or_has_nothing_left() -> None:
    hosts = [a_host("down", state="down"), a_host("full", used_disk_gib=500)]
    assert choose(a_request(), hosts, PLAIN, 0).relaxations == ()


def test_a_host_that_cant_give_the_system_what_it_needs_is_refused_whatever_is_relaxed() -> None:
    request = a_request(os="windows-11", needs=("tpm-2.0", "secure-boot"))
    hosts = [a_host("bare", capabilities=("uefi",)), a_host("half", capabilities=("secure-boot",))]
    refused = choose(request, hosts, PLAIN, 0)
    assert (refused.host, refused.relaxations) == ("", ())
    assert {m.reason for m in refused.misses} == {
        "bare can't give windows-11 what it needs: tpm-2.0, secure-boot",
        "half can't give windows-11 what it needs: tpm-2.0",
    }
    hosts.append(a_host("whole", capabilities=("secure-boot", "tpm-2.0", "uefi")))
    assert choose(request, hosts, PLAIN, 0).host == "id-whole"


def test_terms_of_awkward_sizes_sum_to_the_score_in_any_order() -> None:
    hosts = [a_host(f"h{n}", vcpus=n, memory_mib=n * 997, cpu_percent=n / 3, power_curve=CURVE) for n in range(3, 60)]
    policy = replace(SHELF.active, top=100)
    candidates = choose(a_request(), hosts, policy, 0).candidates
    assert len(candidates) > 50
    for scored in candidates:
        assert {sum(order) for order in permutations(scored.terms.values())} == {scored.score}


def test_a_decision_survives_the_way_through_json() -> None:
    decision = choose(a_request(zone="x"), [a_host(power_curve=CURVE)], SHELF.active, 3)
    assert load(Decision, dump(decision)) == decision
