# SPDX-License-Identifier: Apache-2.0
"""Each filter and each weigher alone."""

import pytest

from services.common.contracts.placement import HostView
from services.scheduler.capacity import Amounts, Capacity
from services.scheduler.energy import curve_of, watts_added, watts_at
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.filters.load import LoadFilter
from services.scheduler.filters.state import StateFilter
from services.scheduler.weighers.balance import BalanceWeigher
from services.scheduler.weighers.cpu import CpuWeigher
from services.scheduler.weighers.energy import EnergyWeigher
from services.scheduler.weighers.load import LoadWeigher
from tests.support.placing import CURVE, a_host, a_request

PLAIN = Capacity()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (a_host(), None),
        (a_host(state="draining"), "is draining, not up"),
        (a_host(heartbeat_age_s=31.0), "was last heard 31 s ago, more than 30 s"),
        (a_host(heartbeat_age_s=None), "has never sent a heartbeat"),
    ],
)
def test_only_hosts_heard_lately_and_up_pass(host: HostView, reason: str | None) -> None:
    refusal = StateFilter(max_heartbeat_age_s=30).refuse(a_request(), host)
    assert (refusal.reason if refusal else None) == reason


def test_limits_are_what_is_left_after_the_reserve_times_the_overcommit() -> None:
    capacity = Capacity(cpu=2.0, memory=1.0, disk=1.1, reserve=Amounts(1, 1024, 0))
    assert capacity.limits(a_host(vcpus=4, memory_mib=4096, disk_gib=10)) == Amounts(6, 3072, 11)
    assert Capacity(reserve=Amounts(8, 0, 0)).limits(a_host(vcpus=4)).vcpus == 0


def test_a_vm_fits_exactly_up_to_the_limit() -> None:
    host = a_host(vcpus=4, used_vcpus=3)
    assert CapacityFilter(PLAIN).refuse(a_request(vcpus=1), host) is None
    refusal = CapacityFilter(PLAIN).refuse(a_request(vcpus=2), host)
    assert refusal is not None
    assert refusal.reason == "lacks 1 vCPUs"


def test_overcommit_never_gives_one_vm_more_vcpus_than_the_host_has() -> None:
    refusal = CapacityFilter(Capacity(cpu=8.0)).refuse(a_request(vcpus=6), a_host(vcpus=4))
    assert refusal is not None
    assert refusal.change == {"vcpus": 4}


@pytest.mark.parametrize(
    ("percent", "pass_missing", "passes"),
    [(90, True, True), (91, True, False), (None, True, True), (None, False, False)],
)
def test_busy_hosts_are_refused_and_missing_telemetry_as_the_policy_says(
    percent: float | None, pass_missing: bool, passes: bool
) -> None:
    refusal = LoadFilter(0.9, pass_missing).refuse(a_request(), a_host(cpu_percent=percent))
    assert (refusal is None) is passes


@pytest.mark.parametrize(
    ("window", "pass_missing", "reason"),
    [
        ("5m", True, None),
        ("1h", True, "had too much CPU load: its 95th percentile of 1h is 70 %, more than 60 %"),
        ("5m", False, "has not told its CPU load over 5m"),
    ],
)
def test_a_host_may_have_been_too_busy_over_a_while(window: str, pass_missing: bool, reason: str | None) -> None:
    busy = a_host(cpu_percent=5.0, cpu_p95_1h=70.0)
    refusal = LoadFilter(1.0, pass_missing, 0.6, window).refuse(a_request(), busy)
    assert (refusal.reason if refusal else None) == reason


def test_the_load_of_a_while_goes_before_the_load_now() -> None:
    request = a_request()
    assert LoadWeigher("1h").norm(request, a_host(cpu_percent=0.0, cpu_p95_1h=80.0)) == pytest.approx(0.2)
    assert LoadWeigher("5m").norm(request, a_host(cpu_percent=30.0, cpu_p95_1h=80.0)) == pytest.approx(0.7)
    assert LoadWeigher().norm(request, a_host()) == 0.5


def test_watts_follow_the_curve_in_straight_lines() -> None:
    assert [watts_at(CURVE, u) for u in (-1, 0, 0.05, 0.5, 1, 2)] == [100, 100, 110, 200, 300, 300]


def test_measured_watts_correct_the_curve() -> None:
    host = a_host(power_curve=CURVE, watts=400.0, cpu_percent=50.0)
    assert curve_of(host) == tuple(2 * w for w in CURVE)
    assert watts_added(a_request(vcpus=8), host, PLAIN) == 200.0
    wild = a_host(power_curve=CURVE, watts=1e6, cpu_percent=50.0)
    assert curve_of(wild) == tuple(4 * w for w in CURVE)


def test_energy_fills_an_awake_host_before_it_wakes_any_other() -> None:
    weigher = EnergyWeigher(PLAIN)
    hungry_awake = a_host(power_curve=tuple(10 * w for w in CURVE), vms=1, used_vcpus=1)
    frugal_asleep = a_host(power_curve=(1.0, 2.0))
    assert weigher.norm(a_request(), hungry_awake) > weigher.norm(a_request(), frugal_asleep)


def test_energy_wakes_the_host_with_the_fewest_watts_per_vcpu() -> None:
    weigher = EnergyWeigher(PLAIN)
    small = a_host(vcpus=4, power_curve=(40.0, 80.0))  # 20 W a vcpu
    large = a_host(vcpus=64, power_curve=(150.0, 500.0))  # 7.8 W a vcpu
    unknown = a_host()
    norms = [weigher.norm(a_request(), host) for host in (large, small, unknown)]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] == 0.0


def test_energy_fills_of_two_that_are_awake_the_one_whose_room_is_worth_keeping_awake() -> None:
    weigher = EnergyWeigher(PLAIN)
    # The last vcpus of either add the same; but the old host draws its 100 W for 16 vcpus, the new one for 64.
    old = a_host(vms=1, used_vcpus=1, power_curve=(100.0, 164.0))
    new = a_host(vcpus=64, vms=1, used_vcpus=1, power_curve=(100.0, 356.0))
    assert weigher.norm(a_request(), new) > weigher.norm(a_request(), old)


def test_energy_counts_the_boot_of_a_host_over_the_horizon() -> None:
    asleep = a_host(vcpus=64, power_curve=(150.0, 500.0))
    slow, quick = EnergyWeigher(PLAIN, wake_s=600.0), EnergyWeigher(PLAIN, wake_s=60.0)
    assert slow.norm(a_request(), asleep) < quick.norm(a_request(), asleep)
    patient = EnergyWeigher(PLAIN, wake_s=600.0, horizon_s=30 * 86400.0)
    assert slow.norm(a_request(), asleep) < patient.norm(a_request(), asleep)


def test_cpu_prefers_idle_hosts_and_falls_back_to_claims() -> None:
    weigher = CpuWeigher(PLAIN)
    assert weigher.norm(a_request(), a_host(cpu_percent=25.0)) == 0.75
    assert weigher.norm(a_request(vcpus=4), a_host(used_vcpus=4)) == 0.5


def test_balance_prefers_hosts_where_cpu_and_memory_run_out_together() -> None:
    weigher, request = BalanceWeigher(PLAIN), a_request(vcpus=4, memory_mib=16384)
    assert weigher.norm(request, a_host()) == 1.0
    assert weigher.norm(request, a_host(used_vcpus=8)) == 0.5
