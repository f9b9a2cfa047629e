# SPDX-License-Identifier: Apache-2.0
"""Snapshots: taken twice as once, reverted as often as asked, gone with their vm."""

import pytest

from services.common.contracts.commands import SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.base import Capability, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.support.hypervisor import PLATFORM, a_vm, network, plan


def deployed(bench: Bench) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 1), {})
    return vm


@needs(Capability.SNAPSHOT)
def test_a_snapshot_of_a_vm_that_is_off_is_taken_once_and_gone_back_to(bench: Bench) -> None:
    vm = deployed(bench)
    first, second = SnapshotPlan(a_vm()), SnapshotPlan(a_vm())
    for snapshot in (first, first, second):
        bench.driver.take_snapshot(vm, snapshot)
    assert set(bench.driver.snapshots(vm)) == {first.id, second.id}
    bench.driver.start(vm)
    for _ in range(2):
        bench.driver.revert(vm, first)
        assert bench.driver.power(vm) == Power.OFF
    bench.driver.revert(vm, second)  # the simulated vCenter fails to remove the first one while it stands on that
    for _ in range(2):
        bench.driver.drop_snapshot(vm, first.id)
    assert bench.driver.snapshots(vm) == (second.id,)
    bench.driver.revert(vm, second)
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON


@needs(Capability.SNAPSHOT_MEMORY)
def test_a_snapshot_with_memory_goes_on_where_the_vm_was(bench: Bench) -> None:
    vm = deployed(bench)
    bench.driver.start(vm)
    kept = SnapshotPlan(a_vm(), memory=True)
    for _ in range(2):
        bench.driver.take_snapshot(vm, kept)
        assert bench.driver.power(vm) == Power.ON
    bench.driver.force_stop(vm)
    bench.driver.resize(vm, Sizes(2, 64))
    for _ in range(2):
        bench.driver.revert(vm, kept)
        assert bench.driver.power(vm) == Power.ON
    bench.driver.erase(vm)
    assert bench.driver.snapshots(vm) == ()
    assert bench.driver.inventory() == []


@needs(Capability.SNAPSHOT)
def test_a_snapshot_that_never_was_is_not_gone_back_to_and_its_removal_is_fine(bench: Bench) -> None:
    vm, absent = deployed(bench), SnapshotPlan(a_vm())
    with pytest.raises(HostFailed, match="has no snapshot"):
        bench.driver.revert(vm, absent)
    bench.driver.drop_snapshot(vm, absent.id)
    bench.driver.drop_snapshot(a_vm(), absent.id)
    for stranger in (bench.driver.take_snapshot, bench.driver.revert):
        with pytest.raises(HostFailed, match="not on this host"):
            stranger(a_vm(), absent)
    with pytest.raises(HostFailed, match="no memory to keep"):
        bench.driver.take_snapshot(vm, SnapshotPlan(a_vm(), memory=True))
    assert bench.driver.snapshots(vm) == ()
