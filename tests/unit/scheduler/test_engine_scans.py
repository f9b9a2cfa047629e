# SPDX-License-Identifier: Apache-2.0
"""A size that comes for the first time is decided by bounds: which leave nobody out who is worth as much."""

import random
from dataclasses import replace

import pytest

from services.common.contracts.placement import Request
from services.scheduler.choose import choose
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy, Weighted
from services.scheduler.policy_file import read_policy
from tests.support.missing import missing
from tests.support.placing import SHELF, a_host, a_request, plain_policy
from tests.support.stream import Fleet
from tests.unit.scheduler.test_engine_equals_the_reference import EVERYTHING, SEEDED

EVERY = read_policy(EVERYTHING)
# As no policy file may have it: what is otherwise preferred is avoided.
TURNED = replace(EVERY, weighers=tuple(Weighted(-w.multiplier, w.weigher) for w in EVERY.weighers))
UNMOVED = replace(EVERY, weighers=())


@pytest.fixture(autouse=True)
def _numba() -> None:
    if not COMPILES:
        missing("Numba; install the extra scheduler-fast")


def odd(request: Request, rng: random.Random) -> Request:
    return replace(request, vcpus=rng.randint(1, 40), memory_mib=rng.randint(1, 60_000), disk_gib=rng.randint(0, 600))


@pytest.mark.parametrize(
    "policy",
    [EVERY, SEEDED, TURNED, UNMOVED, SHELF.get("balanced"), SHELF.get("energy-first")],
    ids=["every", "seeded", "turned", "unmoved", "balanced", "energy-first"],
)
def test_an_odd_size_is_decided_as_over_all_hosts_while_everything_changes(policy: Policy) -> None:
    fleet, rng = Fleet(seed=31, hosts=400), random.Random(5)
    engine = Engine(policy, fleet.table)
    for step in range(300):
        request = odd(fleet.request(), rng)
        scanned, plainly = engine.decide(request), Engine(policy, fleet.table, compiles=False).decide(request)
        assert (scanned.host, scanned.ids, scanned.filters) == (plainly.host, plainly.ids, plainly.filters), step
        assert scanned.candidates == plainly.candidates
        if scanned.host:
            fleet.claim(scanned.host, request)
        for _ in range(5):
            fleet.event()


def test_what_is_told_of_an_odd_size_is_the_references() -> None:
    fleet, rng = Fleet(seed=32, hosts=150), random.Random(6)
    engine = Engine(EVERY, fleet.table)
    for _ in range(25):
        request = odd(fleet.request(), rng)
        assert engine.explain(request) == choose(request, fleet.table.hosts(), EVERY, fleet.table.generation)
        fleet.event()


def test_sizes_and_hosts_beyond_the_small_numbers_are_decided_right() -> None:
    hosts = [
        a_host("vast", memory_mib=2**40, disk_gib=2**40, used_memory_mib=2**33),
        a_host("owed", used_memory_mib=-(2**50), used_vcpus=-3),
        a_host("void", vcpus=0, memory_mib=0, disk_gib=0),
        a_host("torn", power_curve=(1.0, float("nan"), 3.0), vms=1),
        a_host("steep", power_curve=(1e300, 1e308), vms=2),
    ]
    table = HostTable(hosts)
    engine = Engine(EVERY, table)
    for memory in (1, 2**31 - 2, 2**31 - 1, 2**31, 2**35):
        for cpu in (0, 1, 2**31):
            request = a_request(vcpus=cpu, memory_mib=memory, disk_gib=1)
            plainly = Engine(EVERY, table, compiles=False).decide(request)
            assert engine.decide(request).candidates == plainly.candidates, request


def test_among_thousands_of_equal_hosts_an_odd_size_gets_the_lowest_id() -> None:
    names = [f"{n:04d}" for n in range(3000)]
    random.Random(3).shuffle(names)
    table = HostTable([a_host(name) for name in names])
    engine = Engine(plain_policy("spread"), table)
    for n in range(20):
        request = a_request(memory_mib=1000 + n)
        decision = engine.decide(request)
        assert decision.ids == tuple(f"id-{k:04d}" for k in range(n, n + 5))
        table.claim(decision.row, request)
