# SPDX-License-Identifier: Apache-2.0
"""Which hosts sleep and which are woken, by a policy's `power`."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from services.common.contracts.states import HostState
from services.scheduler.night import Night, Sight, enough, plan_night
from services.scheduler.policy import Policy, Power
from tests.support.placing import CURVE, a_host, plain_policy

HOUR = 3600.0
THIRSTY = tuple(2 * watts for watts in CURVE)


def policy(headroom: int = 0, **power: Any) -> Policy:
    given = {"sleep_after_idle_s": 60.0, "min_awake_hosts": 1, "wake_by": ("wol",), **power}
    return replace(plain_policy(), headroom=headroom, power=Power(**given))


def sight(
    name: str, state: HostState = HostState.UP, idle_s: float = HOUR, wakeable: bool = True, **more: Any
) -> Sight:
    return Sight(a_host(name, state=str(state), power_curve=CURVE, **more), idle_s, ("wol",) if wakeable else ())


def busy(name: str, vcpus: int = 8, **more: Any) -> Sight:
    return sight(name, idle_s=0.0, used_vcpus=vcpus, vms=1, **more)


def asleep(name: str, **more: Any) -> Sight:
    return sight(name, HostState.ASLEEP, 0.0, **more)


def test_hosts_that_are_idle_for_long_sleep() -> None:
    assert plan_night([busy("a"), sight("b"), sight("c", idle_s=59.0)], policy()) == Night(sleep=("id-b",))


def test_the_thirstiest_sleep_first_and_the_thriftiest_are_woken_first() -> None:
    hosts = [
        replace(s, host=replace(s.host, power_curve=THIRSTY)) if n == 1 else s for n, s in enumerate(map(sight, "abc"))
    ]
    assert plan_night(hosts, policy(min_awake_hosts=2)) == Night(sleep=("id-b",))
    hosts = [
        replace(s, host=replace(s.host, power_curve=THIRSTY)) if n == 1 else s for n, s in enumerate(map(asleep, "abc"))
    ]
    assert plan_night([busy("d"), *hosts], policy(min_awake_hosts=2)) == Night(wake=("id-a",))


def test_what_shall_stay_awake_stays_awake() -> None:
    assert len(plan_night([sight(name) for name in "abcd"], policy(min_awake_hosts=3)).sleep) == 1
    assert len(plan_night([sight(name) for name in "abcd"], policy(min_awake_free_cpu=33)).sleep) == 1
    assert len(plan_night([sight(name) for name in "abcd"], policy(min_awake_hosts=0)).sleep) == 3


def test_the_headroom_is_never_slept_away() -> None:
    hosts = [busy("a", 10), busy("b", 6), sight("c"), sight("d")]
    assert plan_night(hosts, policy()).sleep == ("id-d", "id-c")
    # The 16 vcpus that are claimed must fit without the largest host: two of 16 are needed, and one to lose.
    assert plan_night(hosts, policy(headroom=1)).sleep == ("id-d", "id-c")
    assert plan_night([*hosts[:2], busy("e", 1), *hosts[2:]], policy(headroom=2)).sleep == ("id-d",)


def test_a_broken_headroom_wakes_a_host() -> None:
    hosts = [busy("a", 16), busy("b", 16), asleep("c"), asleep("d")]
    assert plan_night(hosts, policy(headroom=1)) == Night(wake=("id-c",))


def test_a_vm_that_found_no_host_wakes_one_and_lets_nobody_sleep() -> None:
    hosts = [busy("a"), sight("b"), asleep("c"), asleep("d")]
    assert plan_night(hosts, policy(), refused=True) == Night(wake=("id-c",))
    assert plan_night([*hosts, sight("e", HostState.WAKING)], policy(), refused=True) == Night()


def test_a_host_that_did_not_wake_is_replaced_by_another() -> None:
    hosts = [busy("a"), sight("b", HostState.DOWN), asleep("c")]
    assert plan_night(hosts, policy(min_awake_hosts=2)) == Night(wake=("id-c",))
    waking = [busy("a"), sight("b", HostState.WAKING), asleep("c")]
    assert plan_night(waking, policy(min_awake_hosts=2)) == Night()


def test_nobody_sleeps_who_could_not_be_woken() -> None:
    assert plan_night([busy("a"), sight("b", wakeable=False)], policy()) == Night()
    assert plan_night([busy("a"), sight("b")], policy(wake_by=("ipmi",))) == Night()
    by_controller = replace(sight("b"), ways=("ipmi",))
    assert plan_night([busy("a"), by_controller], policy(wake_by=("ipmi",))) == Night(sleep=("id-b",))


def test_without_a_time_nobody_sleeps() -> None:
    assert plan_night([busy("a"), sight("b")], policy(sleep_after_idle_s=0.0)) == Night()


@pytest.mark.parametrize("seed", range(200))
def test_a_night_never_breaks_what_held_before_and_never_flaps(seed: int) -> None:
    random = Random(seed)
    states = [HostState.UP] * 4 + [HostState.ASLEEP, HostState.WAKING, HostState.DOWN]
    sights = [
        sight(str(n), random.choice(states), random.choice((0.0, HOUR)), random.random() < 0.9)
        if random.random() < 0.6
        else busy(str(n), random.randrange(1, 17))
        for n in range(random.randrange(1, 12))
    ]
    rule = policy(random.randrange(3), min_awake_hosts=random.randrange(4), min_awake_free_cpu=random.randrange(64))
    night = plan_night(sights, rule)
    assert not (night.sleep and night.wake)
    by_id = {s.host.id: s for s in sights}
    assert all(by_id[h].host.vms == 0 and by_id[h].idle_s >= HOUR and by_id[h].ways for h in night.sleep)
    assert all(by_id[h].host.state == HostState.ASLEEP and by_id[h].ways for h in night.wake)
    after = {**{h: HostState.ASLEEP for h in night.sleep}, **{h: HostState.WAKING for h in night.wake}}
    then = [replace(s, host=replace(s.host, state=str(after.get(s.host.id, s.host.state)))) for s in sights]
    if night.sleep:
        assert enough([s.host for s in then if s.host.state == HostState.UP], rule)
        assert plan_night(then, rule).wake == ()
