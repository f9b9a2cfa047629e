# SPDX-License-Identifier: Apache-2.0
"""What each part of a policy does, from its text to the decision."""

from hashlib import sha256

import pytest

from services.common.contracts.errors import Invalid
from services.common.contracts.placement import HostView
from services.scheduler.choose import choose
from services.scheduler.groups import kept_apart
from services.scheduler.matching import check_side_by_side, select
from services.scheduler.policy import OnNoHost, Policy, Power
from services.scheduler.policy_file import read_policy
from tests.support.placing import PLAIN, SHELF, a_host, a_request

BASE = PLAIN.replace("WEIGHER", "spread").lstrip()
APP = "groups: [{selector: {label: app}, rule: RULE, scope: SCOPE, mode: MODE}]\n"


def policy_with(more: str, filters: str = "", name: str = "plain") -> Policy:
    """A plain policy with more at its end, and more filters."""
    text = BASE.replace("weighers:", filters + "weighers:").replace("name: plain", f"name: {name}")
    return read_policy(text + more)


def grouped(rule: str, scope: str = "host", mode: str = "hard") -> Policy:
    return policy_with(APP.replace("RULE", rule).replace("SCOPE", scope).replace("MODE", mode))


WEB = a_request(labels={"app": "web"})
RACKS = [
    a_host("a", rack="r1", members={"app=web": 1}),
    a_host("b", rack="r1"),
    a_host("c", rack="r2", used_memory_mib=60000),
    a_host("d", rack="r3", state="down"),
]


@pytest.mark.parametrize(
    ("rule", "scope", "mode", "chosen"),
    [
        ("anti-affinity", "host", "hard", "id-b"),
        ("anti-affinity", "rack", "hard", "id-c"),
        ("affinity", "host", "hard", "id-a"),
        ("spread", "rack", "hard", "id-c"),
        ("affinity", "rack", "soft", "id-a"),
        ("anti-affinity", "host", "soft", "id-b"),
    ],
)
def test_vms_of_a_group_are_kept_together_or_apart(rule: str, scope: str, mode: str, chosen: str) -> None:
    policy = grouped(rule, scope, mode)
    assert choose(WEB, RACKS, policy, 0).host == chosen
    assert choose(a_request(), RACKS, policy, 0).host == "id-a"  # without the label nothing changes


def test_the_first_of_a_group_goes_anywhere_and_a_full_group_says_why_not() -> None:
    assert choose(WEB, [a_host("x")], grouped("affinity"), 0).host == "id-x"
    refused = choose(WEB, [RACKS[0]], grouped("anti-affinity", "rack"), 0)
    assert refused.misses[0].reason == "a is kept free of more app=web: its rack has 1"
    assert refused.relaxations == ()


def test_a_group_of_500_takes_500_hosts_and_not_one_more() -> None:
    policy, hosts = grouped("anti-affinity"), [a_host(f"h{n:03}") for n in range(500)]
    taken: set[str] = set()
    for n in range(0, 500, 50):  # those between are set as taken
        hosts = [a_host(h.name, members={"app=web": 1}) if int(h.name[1:]) < n else h for h in hosts]
        taken.add(choose(WEB, hosts, policy, 0).host)
    assert len(taken) == 10
    assert choose(WEB, [a_host(h.name, members={"app=web": 1}) for h in hosts], policy, 0).host == ""


def test_another_projects_vms_with_the_same_label_are_none_of_its_business() -> None:
    policy, mine = grouped("anti-affinity"), a_request(project="mine", labels={"app": "web"})
    theirs, ours = a_host("a", members={"theirs:app=web": 1}), a_host("a", members={"mine:app=web": 1})
    assert choose(mine, [theirs], policy, 0).host == "id-a"
    assert choose(mine, [ours], policy, 0).misses[0].reason == "a is kept free of more app=web: it has 1"
    assert kept_apart(policy, mine, theirs) == (("mine:app=web", "host:id-a"),)


def test_what_must_be_had_alone_is_told_for_the_claim() -> None:
    policy = grouped("anti-affinity", "rack")
    assert kept_apart(policy, WEB, RACKS[0]) == (("app=web", "rack:r1"),)
    assert kept_apart(policy, WEB, a_host("x")) == (("app=web", "host:id-x"),)
    assert kept_apart(policy, a_request(), RACKS[0]) == kept_apart(grouped("spread"), WEB, RACKS[0]) == ()


def test_hosts_with_a_trait_have_limits_of_their_own() -> None:
    policy = policy_with("capacity: {overcommit: {cpu: 4}, classes: [{trait: gpu, reserve: {cpu: 8}}]}\n")
    gpu, other = a_host("g", traits=("gpu",)), a_host("o")
    assert (policy.capacity.limits(gpu).vcpus, policy.capacity.limits(other).vcpus) == (8, 64)


HEADROOM = "capacity: {headroom: {hosts: 1}}\n"


def test_headroom_keeps_room_for_what_the_largest_host_could_lose() -> None:
    policy = policy_with(HEADROOM)
    hosts = [a_host("big", vcpus=32, used_vcpus=20), a_host("one", used_vcpus=4), a_host("two", used_vcpus=4)]
    assert choose(a_request(vcpus=4), hosts, policy, 0).host  # without the big one there are 32, of which 28 are used
    refused = choose(a_request(vcpus=5), hosts, policy, 0)
    assert refused.host == ""
    assert {f.filter: f.rejected_alone for f in refused.filters}["headroom"] == 3
    assert refused.misses[0].reason == "big can't be used up: 1 vCPUs would be missing after the loss of 1 host"
    assert refused.relaxations[0].fits == "4"


def test_headroom_wants_another_host_for_the_vm_itself() -> None:
    policy = policy_with(HEADROOM)
    hosts = [a_host("large", vcpus=64), a_host("a"), a_host("b"), a_host("c"), a_host("d")]
    refused = choose(a_request(vcpus=20), hosts, policy, 0)
    told = "large would be the vm's only place: 0 other fake hosts have room for it after the loss of 1 host"
    assert told in {m.reason for m in refused.misses}
    assert choose(a_request(vcpus=16), hosts, policy, 0).host == "id-large"


def test_headroom_counts_only_hosts_that_are_up_and_of_the_same_hypervisor() -> None:
    policy, request = policy_with(HEADROOM), a_request()
    spare: list[dict[str, object]] = [{"state": "down"}, {"driver": "libvirt"}, {}]
    found = [choose(request, [a_host("a", used_vcpus=1), a_host("b", **s)], policy, 0).host for s in spare]
    assert found == ["", "", "id-b"]


EXPR = "  - {type: expr, name: NAME, when: WHEN, require: REQUIRE}\n"


def test_a_condition_decides_where_its_when_holds() -> None:
    condition = EXPR.replace("NAME", "gpu-for-gpu").replace("WHEN", "\"'gpu' in host.traits\"")
    policy = policy_with("", condition.replace("REQUIRE", "\"'gpu' in vm.traits\""))
    hosts = [a_host("g", traits=("gpu",)), a_host("p", used_vcpus=15)]
    assert choose(a_request(), hosts, policy, 0).host == "id-p"
    assert choose(a_request(traits=("gpu",)), hosts, policy, 0).host == "id-g"
    refused = choose(a_request(), hosts[:1], policy, 0)
    assert refused.misses[0].reason == "g doesn't meet gpu-for-gpu: 'gpu' in vm.traits"


def test_a_relaxation_is_offered_only_where_the_conditions_hold_for_it_too() -> None:
    policy = policy_with("", "  - {type: expr, name: large, require: vm.vcpus >= 8}\n")
    assert choose(a_request(vcpus=32), [a_host("h", used_vcpus=12)], policy, 0).relaxations == ()
    assert choose(a_request(vcpus=32), [a_host("h", used_vcpus=4)], policy, 0).relaxations[0].fits == "12"


def test_only_what_may_be_suggested_is() -> None:
    request, hosts = a_request(zone="a", vcpus=32), [a_host("h", zone="b", vcpus=64), a_host("k", zone="a")]
    told = {r.field for r in choose(request, hosts, policy_with(""), 0).relaxations}
    limited = {r.field for r in choose(request, hosts, policy_with("on_no_host: {suggest: [size]}\n"), 0).relaxations}
    assert (told, limited) == ({"zone", "vcpus"}, {"vcpus"})


def test_minmax_stretches_what_the_candidates_differ_in() -> None:
    hosts = [a_host("a", used_vcpus=1), a_host("b", used_vcpus=2), a_host("c", used_vcpus=3)]
    scores = {c.host: c.score for c in choose(a_request(), hosts, policy_with("normalise: minmax\n"), 0).candidates}
    assert scores == {"id-a": 1.0, "id-b": 0.5, "id-c": 0.0}
    alike = choose(a_request(), [a_host("a"), a_host("b")], policy_with("normalise: minmax\n"), 0)
    assert [c.score for c in alike.candidates] == [0.0, 0.0]


def test_ties_go_by_the_order_that_is_given() -> None:
    hosts = [a_host("a", vms=2), a_host("b", vms=1)]
    assert choose(a_request(), hosts, policy_with("tie_break: [host_id]\n"), 0).host == "id-a"
    assert choose(a_request(), hosts, policy_with("tie_break: [fewest_vms, host_id]\n"), 0).host == "id-b"


def test_a_seed_of_the_request_spreads_over_the_best_and_over_no_other() -> None:
    policy = policy_with("tie_break: {random: {seed: request_id, among_top: 3}}\n")
    hosts = [a_host(f"h{n}", used_vcpus=n) for n in range(6)]
    decisions = [choose(a_request(id=f"vm-{n}"), hosts, policy, 0) for n in range(40)]
    assert {d.host for d in decisions} == {"id-h0", "id-h1", "id-h2"}
    assert all(d.candidates[0].host == d.host for d in decisions)
    assert choose(a_request(id="vm-7"), hosts, policy, 0) == decisions[7]


def test_what_happens_without_a_host_and_to_idle_hosts_is_read() -> None:
    policy = policy_with(
        "on_no_host: {retry: {after: capacity_change, deadline: 10m}, suggest: [zone], preempt: never}\n"
        "power: {sleep_after_idle: 20m, min_awake: {hosts: 2, free_cpu: 64}, wake_by: [ipmi, wol]}\n"
        "explain: {keep: 7d, top: 9}\n"
    )
    assert policy.on_no_host == OnNoHost("capacity_change", 600.0, ("zone",))
    assert policy.power == Power(1200.0, 2, 64, ("ipmi", "wol"))
    assert (policy.top, policy.explain_keep_s) == (9, 7 * 86400.0)


def test_failures_and_prices_count() -> None:
    text = "  - {type: failures, multiplier: -3.0}\n  - {type: cost, multiplier: 2.0, zones: {green: 0.1}}\n"
    policy = read_policy(BASE + text)
    shaky, fine = a_host("a", failures=4.0), a_host("b")
    assert choose(a_request(), [shaky, fine], policy, 0).host == "id-b"
    green: HostView = a_host("g", zone="green", used_vcpus=2)
    assert choose(a_request(), [a_host("p", price_kwh=0.4), green], policy, 0).host == "id-g"


ALL, MINE = "match: {projects: ['*']}\n", "match: {projects: [mine]}\n"
DEV = "match: {projects: ['*'], labels: {tier: [dev, test]}}\n"


def test_the_most_specific_match_wins() -> None:
    everybody, mine, dev = (policy_with(m, name=n) for m, n in ((ALL, "all"), (MINE, "mine"), (DEV, "dev")))
    shelf = [everybody, mine, dev, policy_with("", name="named-only")]
    check_side_by_side(shelf)
    requests = [
        a_request(),
        a_request(labels={"tier": "test"}),
        a_request(project="mine", labels={"tier": "dev"}),
        a_request(labels={"tier": "prod"}),
    ]
    assert [p.name for r in requests if (p := select(shelf, r))] == ["all", "dev", "mine", "all"]
    assert select(shelf[3:], a_request()) is None


def test_policies_for_the_same_requests_cant_stand_side_by_side() -> None:
    with pytest.raises(Invalid, match="'a' and 'b' are for the same requests"):
        check_side_by_side([policy_with(DEV, name="a"), policy_with(DEV.replace("dev, test", "test"), name="b")])
    check_side_by_side([policy_with(DEV, name="a"), policy_with(DEV.replace("dev, test", "prod"), name="b")])


CHILD = "apiVersion: scheduler/v1\nkind: PlacementPolicy\nmetadata: {name: child, version: 2, extends: plain@1}\n"


def test_a_policy_takes_over_what_it_does_not_say_itself() -> None:
    base = BASE + "capacity: {overcommit: {cpu: 4.0, disk: 2.0}}\n" + MINE
    text = CHILD + "capacity: {overcommit: {cpu: 2.0}}\nweighers: [{type: pack}]\n"
    policy = read_policy(text, find=lambda name, version: base if (name, version) == ("plain", 1) else None)
    assert (policy.name, policy.version) == ("child", 2)
    assert (policy.capacity.cpu, policy.capacity.disk) == (2.0, 2.0)
    assert [w.weigher.name for w in policy.weighers] == ["pack"]
    assert len(policy.filters) == 6
    assert not policy.match.given  # for whom a policy is, it says itself
    assert policy.sha256 == sha256((text + base).encode()).hexdigest()


def test_policies_that_extend_each_other_in_a_circle_are_refused() -> None:
    texts = {
        "plain": CHILD.replace("child, version: 2, extends: plain@1", "plain, version: 1, extends: other@1"),
        "other": CHILD.replace("child, version: 2, extends: plain@1", "other, version: 1, extends: plain@1"),
    }
    with pytest.raises(Invalid, match="plain@1 extends other@1 extends plain@1") as raised:
        read_policy(CHILD, find=lambda name, version: texts.get(name))
    assert raised.value.problems[0].detail.startswith("line 3, column 46:")


def test_a_shipped_policy_can_be_extended() -> None:
    policy = read_policy(CHILD.replace("plain@1", "balanced@1"))
    assert policy.capacity.cpu == 8.0


def test_spread_ha_keeps_room_for_a_lost_host_and_parts_of_a_group_apart() -> None:
    policy = SHELF.get("spread-ha")
    one = [a_host("a", rack="r1")]
    assert choose(a_request(), one, policy, 0).host == ""  # it could not survive the loss of the only host
    two = [a_host("a", rack="r1"), a_host("b", rack="r2", used_memory_mib=30000)]
    assert choose(a_request(), two, policy, 0).host == "id-a"
    db = a_request(labels={"ha-group": "db"})
    two[0] = a_host("a", rack="r1", members={"ha-group=db": 1})
    assert choose(db, two, policy, 0).host == "id-b"
    web, racks = a_request(labels={"app": "web"}), [a_host("a", rack="r1"), two[1]]
    assert choose(web, [a_host("w", rack="r1", members={"app=web": 1}), *racks], policy, 0).host == "id-b"


def test_licence_pool_puts_windows_on_licensed_hosts_and_leaves_half_of_them_to_it() -> None:
    policy, windows = SHELF.get("licence-pool"), a_request(os="windows-11", memory_mib=8192)
    licensed, plain = a_host("l", traits=("windows-licence",), used_memory_mib=30000), a_host("p")
    assert choose(windows, [licensed, plain], policy, 0).host == "id-l"
    assert choose(windows, [plain], policy, 0).misses[0].reason.startswith("p doesn't meet windows-where-licensed")
    other = a_request(os="debian-12", memory_mib=8192)
    assert choose(other, [licensed, plain], policy, 0).host == "id-p"
    emptier = a_host("l", traits=("windows-licence",), used_memory_mib=20000)
    assert choose(other, [emptier, plain], policy, 0).host == "id-l"  # fuller than the plain one, and room to spare
