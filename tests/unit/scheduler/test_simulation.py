# SPDX-License-Identifier: Apache-2.0
"""A replay decides as the scheduler does, adds up what hosts draw, and tells what moved."""

from dataclasses import replace

import numpy as np
import pytest

from services.scheduler.choose import choose
from services.scheduler.engine.table import HostTable
from services.scheduler.simulation.outcome import COLUMNS, as_rows, as_text, moved
from services.scheduler.simulation.physics import Physics
from services.scheduler.simulation.replay import by_policy, replay
from services.scheduler.simulation.trace import Arrival, Trace
from tests.support.placing import CURVE, SHELF, a_host, a_request, plain_policy

HOUR = 3600.0
SURE = Physics(wake_fails=0.0)


def a_trace(arrivals: list[Arrival], hosts: int = 2, busy: float = 0.5) -> Trace:
    views = tuple(a_host(f"h{n}", power_curve=CURVE, heartbeat_age_s=0.0) for n in range(hosts))
    return Trace("t", views, tuple(arrivals), HOUR, np.array([[busy]]))


def vm(n: int, at: float = 0.0, lasts: float = float("inf"), **wishes: int) -> Arrival:
    return Arrival(at, replace(a_request(**wishes), id=f"vm{n}"), lasts)


def test_each_arrival_gets_the_host_the_scheduler_would_choose() -> None:
    policy = SHELF.get("balanced")
    trace = a_trace([vm(n, at=n * 10.0) for n in range(12)], hosts=4)
    table, expected = HostTable(trace.hosts), []
    for arrival in trace.arrivals:
        views = [table.view(row) for row in range(table.size)]
        expected.append(choose(arrival.request, views, policy, 0).host)
        table.claim(table.row(expected[-1]), arrival.request)
    assert list(replay(trace, "x", by_policy(policy), SURE).homes) == expected


def test_energy_is_what_the_curve_says_for_as_long_as_the_host_is_awake() -> None:
    # 16 of 16 vcpus at 50 %: 200 W, from the moment it woke (120 s at 300 W) at samples of 5 minutes.
    outcome = replay(a_trace([vm(0, vcpus=16)]), "x", by_policy(plain_policy("pack")), SURE)
    asleep_at_first = 300.0
    assert outcome.kwh == pytest.approx((200 * (HOUR - asleep_at_first) + 300 * 120) / 3.6e6)
    assert (outcome.hosts_used, outcome.wakes, outcome.waited_s) == (1, 1, 120.0)
    assert outcome.host_hours == pytest.approx((HOUR - asleep_at_first) / 3600)


def test_a_host_sleeps_once_it_has_been_empty_for_long_enough() -> None:
    outcome = replay(a_trace([vm(0, lasts=600.0)]), "x", by_policy(plain_policy("pack")), SURE)
    # Awake from 120 s, empty from 720 s, asleep from 1920 s: the samples at 300 ... 1800 see it awake.
    assert outcome.host_hours == pytest.approx(6 * 300 / 3600)


def test_hours_of_hot_hosts_are_counted() -> None:
    hot = replay(a_trace([vm(0, vcpus=16)], busy=0.9), "x", by_policy(plain_policy("pack")), SURE)
    warm = replay(a_trace([vm(0, vcpus=16)], busy=0.8), "x", by_policy(plain_policy("pack")), SURE)
    assert hot.hot_host_hours == hot.host_hours > 0
    assert warm.hot_host_hours == 0.0


def test_a_vm_whose_host_does_not_wake_is_placed_on_another() -> None:
    trace = a_trace([vm(0), vm(1, at=1.0)], hosts=1)
    failing = replay(trace, "x", by_policy(plain_policy("pack")), Physics(wake_fails=1.0))
    assert failing.homes == ("", "")
    assert (failing.refused, failing.failed_wakes) == (2, 1)
    two = replay(
        replace(trace, hosts=a_trace([], hosts=9).hosts), "x", by_policy(plain_policy("pack")), Physics(seed=3)
    )
    assert all(two.homes)


def test_a_repaired_host_takes_vms_again() -> None:
    trace = replace(a_trace([vm(0), vm(1, at=2 * HOUR)], hosts=1), until=3 * HOUR)
    outcome = replay(trace, "x", by_policy(plain_policy("pack")), Physics(wake_fails=1.0, repair_s=HOUR))
    assert outcome.failed_wakes == 2


def test_what_no_host_can_take_is_refused_and_the_first_of_it_told() -> None:
    outcome = replay(a_trace([vm(n, vcpus=16) for n in range(4)]), "x", by_policy(plain_policy("pack")), SURE)
    assert (outcome.refused, outcome.first_refusal) == (2, 2)


def test_a_replay_is_the_same_each_time() -> None:
    trace = a_trace([vm(n, at=n * 50.0, lasts=700.0) for n in range(40)], hosts=5)
    first, second = (replay(trace, "x", by_policy(SHELF.get("energy-first")), Physics(seed=5)) for _ in range(2))
    assert replace(first, decision_us=(0, 0)) == replace(second, decision_us=(0, 0))


def test_the_table_tells_what_moved_against_what_was_recorded() -> None:
    trace = a_trace([vm(n) for n in range(4)])
    pack, spread = (replay(trace, name, by_policy(plain_policy(name)), SURE) for name in ("pack", "spread"))
    assert moved(pack.homes, spread.homes) == 2
    assert [row[COLUMNS.index("moved")] for row in as_rows([pack, spread])] == ["0", "2"]
    assert [row[COLUMNS.index("moved")] for row in as_rows([pack, spread], spread.homes)] == ["2", "0"]
    assert moved(["", "h1"], ["h0", "h1"]) == 0
    assert len({len(line) for line in as_text([pack, spread]).splitlines()}) == 1
