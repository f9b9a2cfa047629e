# SPDX-License-Identifier: Apache-2.0
"""What the engine keeps stays right through a hundred thousand events, crowds, liars and time that jumps."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from services.common.contracts.placement import HostView
from services.scheduler.choose import choose
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import HostTable
from services.scheduler.policy_file import read_policy
from tests.support.missing import missing
from tests.support.placing import PLAIN, SHELF, a_host, a_request, plain_policy
from tests.support.stream import Fleet

BALANCED = SHELF.get("balanced")


@pytest.fixture(params=[False, True], ids=["numpy", "numba"])
def compiles(request: pytest.FixtureRequest) -> bool:
    if request.param and not COMPILES:
        missing("Numba isn't installed")
    return bool(request.param)


def same(engine: Engine, request_number: int, fleet: Fleet) -> None:
    """The engine, one made this moment, and the reference say the same."""
    request = replace(fleet.request(), id=f"vm-{request_number}")
    kept, anew = engine.explain(request), Engine(engine.policy, engine.table, engine.plan.compiles).explain(request)
    assert kept == anew
    if request_number % 4 == 0:
        assert kept == choose(request, engine.table.hosts(), engine.policy, engine.table.generation)


def test_a_hundred_thousand_events_leave_what_a_new_engine_works_out(compiles: bool) -> None:
    fleet = Fleet(seed=11, hosts=150)
    engine = Engine(BALANCED, fleet.table, compiles)
    for step in range(50_000 if compiles else 5_000):
        request = fleet.request()
        decided = engine.decide(request)
        if decided.host:
            fleet.claim(decided.host, request)
        fleet.event()  # with the decision: two events a step
        if step % 200 == 0:
            same(engine, step // 200, fleet)


def test_among_ten_thousand_equal_hosts_the_lowest_id_wins_then_the_next(compiles: bool) -> None:
    names = [f"{n:05d}" for n in range(10_000)]
    random.Random(3).shuffle(names)
    table = HostTable([a_host(name) for name in names])
    engine = Engine(plain_policy("spread"), table, compiles)
    for n in range(70):
        decision = engine.decide(a_request())
        assert decision.host == f"id-{n:05d}"
        table.claim(decision.row, a_request())
    down = HostTable([a_host(name, state="down") for name in names])
    told = Engine(plain_policy("spread"), down, compiles).explain(a_request())
    assert [m.host for m in told.misses] == [f"id-{n:05d}" for n in range(5)]
    assert told.relaxations == ()


def test_the_order_of_hosts_makes_no_difference(compiles: bool) -> None:
    fleet = Fleet(seed=5, hosts=80)
    hosts = fleet.table.hosts()
    requests = [fleet.request() for _ in range(40)]
    straight = Engine(BALANCED, HostTable(hosts, now=fleet.table.now), compiles)
    random.Random(8).shuffle(hosts)
    shuffled = Engine(BALANCED, HostTable(hosts, now=fleet.table.now), compiles)
    for request in requests:
        assert replace(straight.explain(request), generation=0) == replace(shuffled.explain(request), generation=0)


def test_twice_the_multipliers_choose_the_same_hosts_with_twice_the_scores(compiles: bool) -> None:
    doubled = tuple(replace(w, multiplier=2 * w.multiplier) for w in BALANCED.weighers)
    fleet = Fleet(seed=6, hosts=80)
    once = Engine(BALANCED, fleet.table, compiles)
    twice = Engine(replace(BALANCED, weighers=doubled), fleet.table, compiles)
    for _ in range(40):
        request = fleet.request()
        one, two = once.decide(request), twice.decide(request)
        assert one.host == two.host
        # A term is a whole number of grains: rounding may differ by half a grain each before it is doubled.
        assert two.score == pytest.approx(2 * one.score, abs=4 * len(doubled) / 2**20)


def test_a_host_that_can_take_nothing_changes_no_choice(compiles: bool) -> None:
    fleet = Fleet(seed=9, hosts=80)
    engine = Engine(BALANCED, fleet.table, compiles)
    requests = [fleet.request() for _ in range(40)]
    before = [engine.decide(request).candidates for request in requests]
    fleet.table.put(a_host("full", used_memory_mib=10**9), fleet.table.now)
    assert [engine.decide(request).candidates for request in requests] == before


def test_without_a_filter_at_least_as_many_hosts_can_take_a_vm(compiles: bool) -> None:
    fleet = Fleet(seed=10, hosts=80)
    strict = Engine(BALANCED, fleet.table, compiles)
    zoneless = tuple(f for f in BALANCED.filters if f.name != "zone")
    loose = Engine(replace(BALANCED, filters=zoneless), fleet.table, compiles)
    for _ in range(40):
        request = fleet.request()
        left = [
            f.tested - f.rejected_first for f in (strict.decide(request).filters[-1], loose.decide(request).filters[-1])
        ]
        assert left[0] <= left[1]


def test_applying_a_relaxation_places_the_vm(compiles: bool) -> None:
    hosts = [a_host("small", vcpus=4, zone="a"), a_host("big", vcpus=32, zone="b"), a_host("off", state="down")]
    engine = Engine(plain_policy("spread"), HostTable(hosts), compiles)
    told = engine.explain(a_request(vcpus=16, zone="a"))
    assert [(r.field, r.fits, r.host) for r in told.relaxations] == [
        ("vcpus", "4", "id-small"),
        ("zone", "b", "id-big"),
    ]
    assert engine.decide(a_request(vcpus=4, zone="a")).host == "id-small"
    assert engine.decide(a_request(vcpus=16, zone="b")).host == "id-big"


def test_a_change_that_another_rule_denies_is_not_proposed(compiles: bool) -> None:
    rule = "  - {type: expr, name: no-sixes, require: vm.vcpus != 6}\nweighers:"
    policy = read_policy(PLAIN.replace("WEIGHER", "spread").lstrip().replace("weighers:", rule))
    hosts = [a_host("six", vcpus=6), a_host("five", vcpus=5), a_host("four", vcpus=4)]
    engine = Engine(policy, HostTable(hosts), compiles)
    told = engine.explain(a_request(vcpus=8))
    assert [(r.fits, r.host) for r in told.relaxations] == [("5", "id-five")]
    assert told == choose(a_request(vcpus=8), hosts, policy, engine.table.generation)


def test_hosts_that_lie_are_judged_as_they_say_and_never_break_a_decision(compiles: bool) -> None:
    liars = [
        a_host("freer-than-it-is", used_vcpus=-9, used_memory_mib=-(10**6), vms=-2),
        a_host("nothing", vcpus=0, memory_mib=0, disk_gib=0),
        a_host("negative", vcpus=-4, memory_mib=-1),
        a_host("from-the-future", heartbeat_age_s=-1e6),
        a_host("hot", cpu_percent=1e9, watts=-5.0, power_curve=(0.0,) * 11),
    ]
    table = HostTable(liars, now=50.0)
    for policy in (BALANCED, SHELF.get("energy-first"), SHELF.get("spread-ha")):
        engine = Engine(policy, table, compiles)
        for request in (a_request(), a_request(vcpus=16)):
            assert engine.explain(request) == choose(request, table.hosts(), policy, table.generation)


def test_a_heartbeat_gets_too_old_while_nothing_else_happens_and_young_again_when_clocks_step(compiles: bool) -> None:
    hosts: list[HostView] = [a_host("a", heartbeat_age_s=0.0), a_host("b", heartbeat_age_s=20.0)]
    table = HostTable(hosts, now=1000.0)
    engine = Engine(BALANCED, table, compiles)  # a heartbeat counts for 60 s
    chosen = []
    for now in (1000.0, 1040.0, 1040.1, 1060.0, 1060.1, 1000.0):
        table.now = now
        chosen.append([c.host for c in engine.decide(a_request()).candidates])
    both, only_a = ["id-a", "id-b"], ["id-a"]
    assert chosen == [both, both, only_a, only_a, [], both]


def test_a_host_that_was_tried_in_vain_is_left_out(compiles: bool) -> None:
    table = HostTable([a_host(f"h{n}") for n in range(9)])
    engine = Engine(BALANCED, table, compiles)
    best = engine.decide(a_request()).ids
    assert engine.decide(a_request(), exclude=best[:2]).host == best[2]
    assert engine.decide(a_request(), exclude=[f"id-h{n}" for n in range(9)]).host == ""


def test_decisions_are_the_same_where_numba_is_not_installed() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "id-b"]


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import HostTable
from tests.support.placing import PLAIN, SHELF, a_host, a_request
table = HostTable([a_host("a", used_vcpus=100), a_host("b")])
print(COMPILES, Engine(SHELF.get("balanced"), table).decide(a_request()).host)
"""
