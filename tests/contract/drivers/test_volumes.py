# SPDX-License-Identifier: Apache-2.0
"""Volumes at a hypervisor: made once, plugged into one vm at a time, larger only, and gone only when told."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.ids import new_id
from services.common.contracts.survey import FoundKind
from services.hostagent.drivers.base import Capability, Owner
from tests.contract.drivers.conftest import FAST, Bench
from tests.contract.drivers.refusing import needs
from tests.contract.drivers.test_driver_contract import deployed
from tests.support.hypervisor import PLATFORM, plan
from tests.support.vcsim.running import SECOND


def a_volume(size_gib: int = 2, datastore: str = "") -> VolumePlan:
    return VolumePlan(new_id(), size_gib, datastore=datastore)


def lies(bench: Bench, volume: VolumePlan) -> list[tuple[str, bool]]:
    """By the driver's own reading: whose it is, and whether on the second datastore."""
    found = [one for one in bench.driver.survey() if one.kind == FoundKind.VOLUME and one.id == volume.id]
    return [(one.vm, FAST in one.name or SECOND in one.name) for one in found]


@pytest.mark.parametrize("datastore", ["", FAST])
@pytest.mark.parametrize("running", [False, True])
@needs(Capability.VOLUME_ATTACH)
@needs(Capability.VOLUME_GROW)
def test_a_volume_is_plugged_in_grown_and_taken_off_each_twice(bench: Bench, running: bool, datastore: str) -> None:
    vm, volume = deployed(bench), a_volume(datastore=datastore)
    if running:
        bench.driver.start(vm)
    for _ in range(2):
        bench.driver.attach_volume(vm, volume)
    assert lies(bench, volume) == [(vm, bool(datastore))]
    larger = replace(volume, size_gib=3)
    for _ in range(2):
        bench.driver.grow_volume(vm, larger)
    bench.driver.grow_volume(vm, volume)  # smaller: it stays as it is
    with pytest.raises(HostFailed, match="plugged into"):
        bench.driver.drop_volume(volume.id, datastore)
    for _ in range(2):
        bench.driver.detach_volume(vm, volume.id)
    assert lies(bench, volume) == [("", bool(datastore))]
    for _ in range(2):
        bench.driver.drop_volume(volume.id, datastore)
    assert lies(bench, volume) == []


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
    bench.driver.detach_volume(other, volume.id)
    bench.driver.drop_volume(volume.id)


@needs(Capability.VOLUME_ATTACH)
@needs(Capability.REBUILD)
def test_a_volume_on_a_datastore_is_in_its_vm_again_after_that_was_made_anew(bench: Bench) -> None:
    vm, volume = deployed(bench), a_volume(datastore=FAST)
    bench.driver.attach_volume(vm, volume)
    bench.driver.wipe(vm)
    assert lies(bench, volume) == [(vm, True)] or bench.driver.name == "vsphere"  # whose vms hold them themselves
    bench.driver.deploy(plan(vm), Owner(PLATFORM, vm, 2), {})
    assert lies(bench, volume) == [(vm, True)]
    with pytest.raises(HostFailed, match="plugged into"):
        bench.driver.drop_volume(volume.id, FAST)
    bench.driver.erase(vm)
    bench.driver.drop_volume(volume.id, FAST)
    assert lies(bench, volume) == []


@needs(Capability.VOLUME_ATTACH)
def test_a_datastore_is_told_with_its_size_and_one_that_is_not_there_is_refused_by_its_name(bench: Bench) -> None:
    (told,) = bench.driver.facts().datastores
    assert (told.name, told.size_gib, told.grows) == (FAST, 50, True)
    vm = deployed(bench)
    with pytest.raises(HostFailed, match="no datastore 'slow' on this host; there are 'fast'"):
        bench.driver.attach_volume(vm, a_volume(datastore="slow"))
    with pytest.raises(HostFailed, match="no datastore 'slow'"):
        bench.driver.drop_volume(new_id(), "slow")


@needs(Capability.VOLUME_ATTACH)
def test_what_another_platform_has_on_a_datastore_is_neither_told_nor_touched(bench: Bench) -> None:
    vm, volume = deployed(bench), a_volume(datastore=FAST)
    bench.driver.attach_volume(vm, volume)
    other = bench.reopen("another-platform")
    other.drop_volume(new_id(), FAST)
    if bench.driver.name == "libvirt":  # where both see the same pool
        assert [one for one in other.survey() if one.id == volume.id] == []
    bench.driver.detach_volume(vm, volume.id)
    bench.driver.drop_volume(volume.id, FAST)


@pytest.mark.parametrize("datastore", ["", FAST])
@needs(Capability.VOLUME_ATTACH)
def test_a_volume_outlives_its_vm_unless_it_is_dropped(bench: Bench, datastore: str) -> None:
    vm, volume = deployed(bench), a_volume(datastore=datastore)
    bench.driver.attach_volume(vm, volume)
    bench.driver.erase(vm)
    again = deployed(bench, "again")
    bench.driver.attach_volume(again, volume)
    bench.driver.erase(again)
    bench.driver.drop_volume(volume.id, datastore)
    assert lies(bench, volume) == []
    assert not list((bench.directory / "volumes").glob("*.qcow2"))


@needs(Capability.VOLUME_ATTACH)
def test_no_volume_is_plugged_into_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(HostFailed, match="not on this host"):
        bench.driver.attach_volume(new_id(), a_volume())
    bench.driver.detach_volume(new_id(), new_id())
    assert not list(Path(bench.directory, "volumes").glob("*.qcow2"))
