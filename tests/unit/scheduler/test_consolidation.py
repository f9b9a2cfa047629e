# SPDX-License-Identifier: Apache-2.0
"""A plan that empties thirsty hosts: bounded, possible by the policy, and saving what it says."""

from random import Random
from typing import Any

import pytest

from services.common.contracts.moves import Move
from services.common.contracts.placement import HostView, Request
from services.common.contracts.states import HostState
from services.scheduler.consolidation import Emptied, consolidation
from tests.support.placing import CURVE, a_host, a_request, plain_policy

THRIFTY = tuple(watts / 2 for watts in CURVE)  # 50 W idle, 150 W full; CURVE is twice that
POLICY = plain_policy("pack")
Fleet = tuple[list[HostView], dict[str, list[Request]]]


def fleet(*hosts: tuple[str, tuple[float, ...], list[int]], **changes: Any) -> Fleet:
    """Hosts by name, curve, and their vms' vcpus."""
    views, vms = [], {}
    for name, curve, sizes in hosts:
        found = [a_request(id=f"{name}-{n}", vcpus=vcpus) for n, vcpus in enumerate(sizes)]
        used = {"used_vcpus": sum(sizes), "used_memory_mib": 1024 * len(sizes), "used_disk_gib": 10 * len(sizes)}
        views.append(a_host(name, power_curve=curve, vms=len(sizes), **used, **changes))
        vms[f"id-{name}"] = found
    return views, vms


def test_a_thirsty_host_is_emptied_onto_a_thrifty_one() -> None:
    plan = consolidation(*fleet(("a", CURVE, [4, 2]), ("b", THRIFTY, [4])), POLICY, 10)
    moves = (Move("a-0", "id-a", "id-b"), Move("a-1", "id-a", "id-b"))
    # a draws 100 + 200 * 6/16 W; six more vcpus of sixteen add 100 * 6/16 W to b.
    assert plan.emptied == (Emptied("id-a", 137.5, moves),)


def test_never_from_a_thrifty_host_to_a_thirsty_one() -> None:
    assert consolidation(*fleet(("a", CURVE, [12, 4]), ("b", THRIFTY, [1])), POLICY, 10).emptied == ()


def test_a_host_is_emptied_whole_or_not_at_all() -> None:
    assert consolidation(*fleet(("a", CURVE, [8, 8]), ("b", THRIFTY, [4])), POLICY, 10).emptied == ()
    assert consolidation(*fleet(("a", CURVE, [1, 1, 1]), ("b", THRIFTY, [4])), POLICY, 2).emptied == ()


def test_a_sleeping_host_is_no_target_and_an_empty_one_neither() -> None:
    hosts, vms = fleet(("a", CURVE, [4]), ("b", THRIFTY, []))
    assert consolidation(hosts, vms, POLICY, 10).emptied == ()
    hosts, vms = fleet(("a", CURVE, [4]), ("b", THRIFTY, [1]), state=str(HostState.ASLEEP))
    assert consolidation(hosts, vms, POLICY, 10).emptied == ()


def test_a_vm_that_must_stay_keeps_its_host() -> None:
    hosts, vms = fleet(("a", CURVE, [4]), ("b", THRIFTY, [1]))
    vms["id-a"] = [a_request(id="a-0", vcpus=4, host="a")]
    assert consolidation(hosts, vms, POLICY, 10).emptied == ()


def test_a_host_with_a_vm_that_is_not_listed_is_left_alone() -> None:
    hosts, vms = fleet(("a", CURVE, [4, 2]), ("b", THRIFTY, [1]))
    del vms["id-a"][1]
    assert consolidation(hosts, vms, POLICY, 10).emptied == ()


@pytest.mark.parametrize("seed", range(60))
def test_a_plan_keeps_to_its_budget_and_overbooks_nobody(seed: int) -> None:
    random = Random(seed)
    hosts, vms = fleet(
        *(
            (str(n), random.choice((CURVE, THRIFTY)), [random.randrange(1, 5) for _ in range(random.randrange(4))])
            for n in range(12)
        )
    )
    budget = random.randrange(1, 12)
    plan = consolidation(hosts, vms, POLICY, budget).emptied
    moves = [move for step in plan for move in step.moves]
    gone = {step.host for step in plan}
    assert len(moves) <= budget
    assert len({move.vm for move in moves}) == len(moves)
    assert not gone & {move.target for move in moves}
    assert all(step.watts_saved > 0 for step in plan)
    sizes = {request.id: request.vcpus for some in vms.values() for request in some}
    used = {host.id: host.used_vcpus for host in hosts}
    for move in moves:
        used[move.source] -= sizes[move.vm]
        used[move.target] += sizes[move.vm]
    assert all(used[host] == 0 for host in gone)
    assert all(amount <= 16 for amount in used.values())


def reasons(found: Fleet, budget: int = 10) -> dict[str, str]:
    return {kept.host: kept.reason for kept in consolidation(*found, POLICY, budget).kept}


def test_of_each_host_that_keeps_its_vms_it_is_told_why() -> None:
    assert reasons(fleet(("a", CURVE, [1, 1, 1]), ("b", THRIFTY, [4])), 2) == {
        "id-a": "has 3 vms, and 2 moves are left",
        "id-b": "is among the thriftiest hosts that run vms",
    }
    assert reasons(fleet(("a", CURVE, [4]), ("b", THRIFTY, [4]))) == {"id-b": "takes vms of the hosts that are emptied"}
    full = reasons(fleet(("a", CURVE, [8, 8]), ("b", THRIFTY, [4])))
    assert full["id-a"] == "no thriftier host that runs vms takes vm a-1: b lacks 4 vCPUs"
    assert "no power curve" in reasons(fleet(("a", (), [1])))["id-a"]
    hosts, vms = fleet(("a", CURVE, [4, 2]), ("b", THRIFTY, [1]))
    del vms["id-a"][1]
    assert reasons((hosts, vms))["id-a"].startswith("has 1 vms that a job works on")


def test_moves_that_would_cost_more_than_the_empty_host_saves_are_refused() -> None:
    lean = tuple(1.0 + 9.9 * n for n in range(11))  # 1 W idle, 100 W full
    leaping = (1.0, *(89.0 + n for n in range(1, 11)))  # 99 W full, most of them for the first vcpus
    assert "would save nothing" in reasons(fleet(("a", lean, [1]), ("b", leaping, [1])))["id-a"]
