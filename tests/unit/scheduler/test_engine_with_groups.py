# SPDX-License-Identifier: Apache-2.0
"""Policies with groups, headroom and conditions are decided as the plain reference decides them."""

from dataclasses import replace

import pytest

from services.scheduler.choose import choose
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import HostTable
from services.scheduler.policy_file import read_policy
from tests.support.missing import missing
from tests.support.placing import PLAIN, SHELF, a_host, a_request
from tests.support.stream import Fleet

BASE = PLAIN.replace("WEIGHER", "spread").lstrip()
CONDITION = "  - {type: expr, name: small, require: 'vm.vcpus <= host.vcpus / 2'}\nweighers:"
FULL = "  - {type: expr, name: few, require: 'host.vms < 4'}\nweighers:"
TEXTS = {
    "apart": BASE + "groups:\n  - {selector: {label: app}, rule: anti-affinity, scope: host, mode: hard}\n",
    "racks": BASE + "groups:\n  - {selector: {label: app}, rule: spread, scope: rack, mode: soft, multiplier: 2.0}\n",
    "together": BASE + "groups:\n  - {selector: {label: app}, rule: affinity, scope: zone, mode: hard}\n",
    "evenly": BASE + "groups:\n  - {selector: {label: app}, rule: spread, scope: zone, mode: hard}\n",
    "zones": BASE + "groups:\n  - {selector: {label: app}, rule: anti-affinity, scope: zone, mode: hard}\n",
    "headroom": BASE + "capacity: {headroom: {hosts: 1}}\n",
    "condition": BASE.replace("weighers:", CONDITION),
    "claims": BASE.replace("weighers:", FULL),
}


@pytest.mark.parametrize("name", TEXTS)
def test_rules_that_look_beyond_one_host_are_decided_as_by_the_reference(name: str) -> None:
    fleet = Fleet(seed=21, hosts=24)
    engine = Engine(read_policy(TEXTS[name]), fleet.table)
    for step in range(120):
        labels = fleet.rng.choice(({}, {"app": "web"}, {"app": "db"}))
        request = replace(fleet.request(), labels=labels)
        told = engine.explain(request)
        assert told == choose(request, fleet.table.hosts(), engine.policy, fleet.table.generation), step
        assert engine.decide(request).host == told.host
        if told.host:
            fleet.claim(told.host, request)
        fleet.event()


def test_five_hundred_of_a_group_are_kept_apart_and_the_next_has_no_host() -> None:
    table = HostTable([a_host(f"h{n:03d}") for n in range(500)])
    engine = Engine(read_policy(TEXTS["apart"]), table)
    request = a_request(labels={"app": "web"})
    for _ in range(500):
        table.claim(engine.decide(request).row, request)
    assert table.members("app=web")[:500].tolist() == [1] * 500
    assert engine.decide(request).host == ""
    assert engine.decide(a_request(labels={"app": "db"})).host != ""


@pytest.mark.parametrize("compiles", [False, True], ids=["numpy", "numba"])
@pytest.mark.parametrize("name", ["spread-ha", "racks", "headroom"])
def test_over_many_hosts_rules_that_look_beyond_one_are_decided_as_by_the_reference(name: str, compiles: bool) -> None:
    if compiles and not COMPILES:
        missing("Numba; install the extra scheduler-fast")
    policy = read_policy(TEXTS[name]) if name in TEXTS else SHELF.get(name)
    fleet = Fleet(seed=22, hosts=300)
    engine = Engine(policy, fleet.table, compiles)
    for step in range(150):
        labels = fleet.rng.choice(({}, {"app": "web"}, {"ha-group": "db", "app": fleet.rng.choice("ab")}))
        request = replace(fleet.request(), labels=labels)
        told = engine.decide(request)
        if step % 10 == 0:
            expected = choose(request, fleet.table.hosts(), policy, fleet.table.generation)
            assert (told.host, told.candidates, told.filters) == (expected.host, expected.candidates, expected.filters)
            assert engine.explain(request) == expected
        if told.host:
            fleet.claim(told.host, request)
        for _ in range(4):
            fleet.event()


@pytest.mark.parametrize("compiles", [False, True], ids=["numpy", "numba"])
def test_headroom_is_the_references_where_a_host_more_or_less_decides(compiles: bool) -> None:
    if compiles and not COMPILES:
        missing("Numba; install the extra scheduler-fast")
    policy = read_policy(BASE + "capacity: {headroom: {hosts: 2}}\n")
    table = HostTable([a_host(f"h{n}", driver="fake" if n % 2 else "libvirt", vcpus=8 + n) for n in range(7)], now=5.0)
    engine = Engine(policy, table, compiles)
    placed = 0
    for n in range(60):
        request = a_request(id=f"vm-{n}", vcpus=1 + n % 9, memory_mib=512)
        told = engine.decide(request)
        expected = choose(request, table.hosts(), policy, table.generation)
        assert (told.host, told.filters) == (expected.host, expected.filters), n
        assert engine.explain(request) == expected, n
        if told.host:
            table.claim(told.row, request)
            placed += 1
    assert 0 < placed < 60
