# SPDX-License-Identifier: Apache-2.0
"""Whatever happened before, the engine decides as the plain reference does, and as an engine that starts anew."""

from dataclasses import replace

import pytest

from services.common.contracts.placement import Request
from services.scheduler.choose import choose
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.policy import Policy, TieBreak
from services.scheduler.policy_file import read_policy
from tests.support.missing import missing
from tests.support.placing import SHELF
from tests.support.stream import Fleet

EVERYTHING = """apiVersion: scheduler/v1
kind: PlacementPolicy
metadata: {name: everything, version: 1}
capacity: {overcommit: {cpu: 3.0, memory: 1.0, disk: 1.2}, reserve: {cpu: 1, memory: 512MiB, disk: 2GiB}}
filters:
  - {type: zone}
  - {type: state, allow: [up, draining], max_heartbeat_age: 30s}
  - {type: capacity}
  - {type: load, max_cpu: 90%, on_missing: pass}
  - {type: host}
  - {type: hypervisor, any_of: [fake, libvirt]}
  - {type: traits}
weighers:
  - {type: energy, multiplier: 4.0}
  - {type: pack, multiplier: 1.3, resources: {cpu: 1, memory: 0.3, disk: 0.1}}
  - {type: balance, multiplier: 0.7}
  - {type: cpu, multiplier: 0.2}
"""
SEEDED = replace(read_policy(EVERYTHING), name="seeded", tie_break=TieBreak(("host_id",), among_top=7), top=3)
STRETCHED = replace(read_policy(EVERYTHING), name="stretched", normalise="minmax")
POLICIES = [
    read_policy(EVERYTHING),
    SEEDED,
    STRETCHED,
    *(SHELF.get(name) for name in ("balanced", "energy-first", "spread-ha")),
]
MODES = [pytest.param(False, id="numpy"), pytest.param(True, id="numba")]


def assert_equal_to_the_reference(engine: Engine, request: Request) -> None:
    compact = engine.decide(request)
    expected = choose(request, engine.table.hosts(), engine.policy, engine.table.generation)
    assert (compact.host, compact.policy_sha, compact.generation) == (
        expected.host,
        expected.policy_sha,
        expected.generation,
    )
    assert compact.candidates == expected.candidates
    assert compact.filters == expected.filters
    assert engine.explain(request) == expected


@pytest.mark.parametrize("compiles", MODES)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_a_decision_is_the_references_after_any_events(policy: Policy, compiles: bool) -> None:
    if compiles and not COMPILES:
        missing("Numba; install the extra scheduler-fast")
    fleet = Fleet(seed=7, hosts=60)
    engine = Engine(policy, fleet.table, compiles)
    for step in range(1500):
        request = fleet.request()
        compact = engine.decide(request)
        if step % 5 == 0:
            assert_equal_to_the_reference(engine, request)
        if compact.host:
            fleet.claim(compact.host, request)
        fleet.event()
