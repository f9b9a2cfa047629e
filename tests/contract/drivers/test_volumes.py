# SPDX-License-Identifier: Apache-2.0
"""Volumes at a hypervisor: made once, plugged into one vm at a time, larger only, and gone only when told."""

from pathlib import Path

import pytest

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.ids import new_id
from services.hostagent.drivers.base import Capability
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.contract.drivers.test_driver_contract import deployed


def a_volume(size_gib: int = 2) -> VolumePlan:
    return VolumePlan(new_id(), size_gib)


@pytest.mark.parametrize("running", [False, True])
@needs(Capability.VOLUME_ATTACH)
@needs(Capability.VOLUME_GROW)
def test_a_volume_is_plugged_in_grown_and_taken_off_each_twice(bench: Bench, running: bool) -> None:
    vm, volume = deployed(bench), a_volume()
    if running:
        bench.driver.start(vm)
    for _ in range(2):
        bench.driver.attach_volume(vm, volume)
    larger = VolumePlan(volume.id, 3)
    for _ in range(2):
        bench.driver.grow_volume(vm, larger)
    bench.driver.grow_volume(vm, volume)  # smaller: it stays as it is
    with pytest.raises(HostFailed, match="plugged into"):
        bench.driver.drop_volume(volume.id)
    for _ in range(2):
        bench.driver.detach_volume(vm, volume.id)
    for _ in range(2):
        bench.driver.drop_volume(volume.id)


@needs(Capability.VOLUME_ATTACH)
def test_what_is_anothers_stays_anothers_until_it_is_taken_off(bench: Bench) -> None:
    one, other, volume = deployed(bench, "one"), deployed(bench, "other"), a_volume()
    bench.driver.attach_volume(one, volume)
    with pytest.raises(HostFailed, match=f"plugged into vm {one}"):
        bench.driver.attach_volume(other, volume)
    bench.driver.detach_volume(other, volume.id)  # it hasn't got it: nothing happens
    with pytest.raises(HostFailed, match="plugged into"):
        bench.driver.drop_volume(volume.id)
    bench.driver.detach_volume(one, volume.id)
    bench.driver.attach_volume(other, volume)


@needs(Capability.VOLUME_ATTACH)
def test_a_volume_outlives_its_vm_unless_it_is_dropped(bench: Bench) -> None:
    vm, volume = deployed(bench), a_volume()
    bench.driver.attach_volume(vm, volume)
    bench.driver.erase(vm)
    again = deployed(bench, "again")
    bench.driver.attach_volume(again, volume)
    bench.driver.erase(again)
    bench.driver.drop_volume(volume.id)
    assert not list((bench.directory / "volumes").glob("*.qcow2"))


@needs(Capability.VOLUME_ATTACH)
def test_no_volume_is_plugged_into_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(HostFailed, match="not on this host"):
        bench.driver.attach_volume(new_id(), a_volume())
    bench.driver.detach_volume(new_id(), new_id())
    assert not list(Path(bench.directory, "volumes").glob("*.qcow2"))
