# SPDX-License-Identifier: Apache-2.0
"""Other sizes: at once for a vm that is off, and for one that runs whatever its driver declares; the rest waits."""

import pytest

from services.common.contracts.errors import HostFailed
from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.base import Capability, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.support.hypervisor import PLATFORM, a_vm, network, plan

SMALL, LARGE = Sizes(1, 64), Sizes(2, 96)


def deployed(bench: Bench) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 1), {})
    return vm


@needs(Capability.RESIZE_OFF)
def test_a_vm_that_is_off_has_its_new_sizes_at_once_and_twice_is_as_once(bench: Bench) -> None:
    vm = deployed(bench)
    for sizes in (LARGE, LARGE, SMALL):
        assert bench.driver.resize(vm, sizes) == sizes
    assert bench.driver.power(vm) == Power.OFF
    assert [(item.vm, item.fence) for item in bench.driver.inventory()] == [(vm, 1)]


@needs(Capability.RESIZE_OFF)
def test_a_vm_that_runs_has_what_its_driver_adds_at_once_and_the_rest_when_it_was_off(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    can = bench.driver.capabilities
    now = Sizes(
        LARGE.vcpus if Capability.RESIZE_HOT_CPU in can else SMALL.vcpus,
        LARGE.memory_mib if Capability.RESIZE_HOT_MEMORY in can else SMALL.memory_mib,
    )
    for _ in range(2):
        assert bench.driver.resize(vm, LARGE) == now
    assert bench.driver.power(vm) == Power.ON
    bench.driver.force_stop(vm)
    bench.driver.start(vm)
    assert bench.driver.resize(vm, LARGE) == LARGE
    # No guest is trusted to give anything back.
    assert bench.driver.resize(vm, SMALL) == LARGE


@needs(Capability.RESIZE_OFF)
def test_what_is_not_there_is_not_resized(bench: Bench) -> None:
    deployed(bench)
    with pytest.raises(HostFailed, match="not on this host"):
        bench.driver.resize(a_vm(), LARGE)
