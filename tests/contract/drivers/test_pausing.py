# SPDX-License-Identifier: Apache-2.0
"""Reset, suspend and resume: twice is as once, out of turn is refused, what is paused can be ended."""

import pytest

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.base import Capability, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.support.hypervisor import PLATFORM, a_vm, network, plan
from tests.support.waiting import until


def running(bench: Bench) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 1), {})
    bench.driver.start(vm)
    return vm


@needs(Capability.SUSPEND)
def test_suspending_and_resuming_twice_is_as_once_and_is_seen(bench: Bench) -> None:
    vm = running(bench)
    for _ in range(2):
        bench.driver.suspend(vm)
        assert bench.driver.power(vm) == Power.PAUSED
    assert bench.driver.usage().running_vms == 1
    until(lambda: (vm, Power.PAUSED) in bench.seen, 5, "the pause is seen")
    for _ in range(2):
        bench.driver.resume(vm)
        assert bench.driver.power(vm) == Power.ON
    until(lambda: bench.seen[-1] == (vm, Power.ON), 5, "it is seen to go on")


@needs(Capability.SUSPEND)
def test_a_suspended_vm_is_started_again_and_ended_like_any_other(bench: Bench) -> None:
    vm = running(bench)
    bench.driver.suspend(vm)
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON
    bench.driver.suspend(vm)
    bench.driver.force_stop(vm)
    assert bench.driver.power(vm) == Power.OFF
    for verb in (bench.driver.suspend, bench.driver.resume):
        with pytest.raises(HostFailed, match="not running"):
            verb(vm)


@needs(Capability.RESET)
def test_a_reset_vm_still_runs_and_one_that_is_off_is_refused(bench: Bench) -> None:
    vm = running(bench)
    bench.driver.reset(vm)
    assert bench.driver.power(vm) == Power.ON
    bench.driver.force_stop(vm)
    for stranger in (vm, a_vm()):
        with pytest.raises(HostFailed, match=r"not running|not on this host"):
            bench.driver.reset(stranger)
