# SPDX-License-Identifier: Apache-2.0
"""Copies of disks: of vms that are off and ours, independent of them, as large as asked, ended when told so."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from services.common.contracts.commands import Artifact, ClonePlan, DiskPlan
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.vm import hypervisor_uuid
from services.hostagent.drivers.base import Capability, Driver, Owner, Power
from tests.contract.drivers.conftest import Bench
from tests.contract.drivers.refusing import needs
from tests.support.dying import Killed, dying_at, points_of
from tests.support.hypervisor import PLATFORM, a_vm, network, plan

CLONED = (DiskPlan("root", 2, cloned=True),)


def nobody(_percent: float) -> None:
    """Hears how far a copy is."""


@pytest.fixture
def source(bench: Bench) -> str:
    vm = a_vm()
    bench.driver.ensure_network(network())
    bench.driver.deploy(plan(vm, "source"), Owner(PLATFORM, vm, 1), {})
    return vm


@needs(Capability.CLONE_FULL)
def test_a_copy_outlives_its_source_and_starts(bench: Bench, source: str) -> None:
    vm = a_vm()
    for _ in range(2):
        bench.driver.clone_disk(vm, ClonePlan(source, 2), nobody)
    whole = plan(vm, "copy", disks=CLONED)
    for _ in range(2):
        bench.driver.deploy(whole, Owner(PLATFORM, vm, 1), {})
    bench.driver.erase(source)
    bench.driver.start(vm)
    assert bench.driver.power(vm) == Power.ON
    bench.driver.erase(vm)
    assert [one for one in bench.driver.survey() if {one.vm, one.name} & {vm, source}] == []


@needs(Capability.CLONE_FULL)
def test_what_runs_is_not_there_or_is_somebody_else_s_is_not_copied(bench: Bench, source: str) -> None:
    stranger = bench.reopen("another-platform")
    for driver, of in ((bench.driver, a_vm()), (stranger, source)):
        with pytest.raises(HostFailed):
            driver.clone_disk(a_vm(), ClonePlan(of, 1), nobody)
    bench.driver.start(source)
    with pytest.raises(HostFailed, match="cloned while it is"):
        bench.driver.clone_disk(a_vm(), ClonePlan(source, 1), nobody)
    assert [item.vm for item in bench.driver.inventory()] == [source]


@needs(Capability.CLONE_FULL)
def test_no_vm_is_made_around_a_copy_that_is_not_there(bench: Bench, source: str) -> None:
    vm = a_vm()
    with pytest.raises(HostFailed, match="not copied yet"):
        bench.driver.deploy(plan(vm, "copy", disks=CLONED), Owner(PLATFORM, vm, 1), {})
    assert bench.driver.power(vm) == Power.ABSENT


@needs(Capability.CLONE_FULL)
def test_a_copy_that_is_called_off_ends_and_is_begun_anew(bench: Bench, source: str) -> None:
    def enough(_percent: float) -> None:
        raise TryAgain("enough")

    if bench.driver.name == "fake":
        bench.driver._habits = replace(bench.driver._habits, clone_s=0.01)  # type: ignore[attr-defined]
    vm = a_vm()
    with pytest.raises(TryAgain, match="enough"):
        bench.driver.clone_disk(vm, ClonePlan(source, 1), enough)
    bench.driver.clone_disk(vm, ClonePlan(source, 1), nobody)
    bench.driver.deploy(plan(vm, "copy", disks=CLONED), Owner(PLATFORM, vm, 1), {})
    bench.driver.erase(vm)


@needs(Capability.CLONE_LINKED)
def test_a_linked_clone_killed_anywhere_is_finished_and_leaves_its_source_as_it_is(bench: Bench, source: str) -> None:
    size = 2 if Capability.CLONE_LINKED_LARGER in bench.driver.capabilities else 1
    linked, disks = ClonePlan(source, size, linked=True), (DiskPlan("root", size, cloned=True),)
    disk = bench.directory / "vms" / source / "root-0.qcow2"
    before = disk.read_bytes() if disk.exists() else b""

    def make(driver: Driver, vm: str) -> None:
        driver.clone_disk(vm, linked, nobody)
        driver.deploy(plan(vm, "copy", disks=disks), Owner(PLATFORM, vm, 1), {})

    for point in points_of(lambda: make(bench.driver, a_vm())):
        vm = a_vm()
        with dying_at(point), pytest.raises(Killed):
            make(bench.driver, vm)
        driver = bench.reopen(PLATFORM)
        for _ in range(2):
            make(driver, vm)
        driver.start(vm)
        assert driver.power(vm) == Power.ON
        driver.erase(vm)
        assert [one for one in driver.survey() if vm in (one.vm, one.name)] == []
    assert (disk.read_bytes() if disk.exists() else b"") == before


@needs(Capability.CLONE_LINKED)
def test_a_linked_clone_is_larger_only_where_the_driver_can_do_that(bench: Bench, source: str) -> None:
    vm, larger = a_vm(), ClonePlan(source, 2, linked=True)
    if Capability.CLONE_LINKED_LARGER not in bench.driver.capabilities:
        with pytest.raises(HostFailed, match="with a larger disk"):
            bench.driver.clone_disk(vm, larger, nobody)
        assert [item.vm for item in bench.driver.inventory()] == [source]
        return
    bench.driver.clone_disk(vm, larger, nobody)
    bench.driver.deploy(plan(vm, "copy", disks=CLONED), Owner(PLATFORM, vm, 1), {})


@pytest.mark.parametrize("bench", ["libvirt"], indirect=True)
@needs(Capability.CLONE_FULL)
def test_a_copy_has_what_its_source_has(bench: Bench, source: str) -> None:
    disk = bench.directory / "vms" / source / "root-0.qcow2"
    _qemu("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 64k", disk)
    vm = a_vm()
    told: list[float] = []
    bench.driver.clone_disk(vm, ClonePlan(source, 2), told.append)
    copy = bench.directory / "vms" / vm / "root-0.qcow2"
    _qemu("qemu-img", "compare", disk, copy)  # what is beyond the end of the smaller one reads as zeros
    assert told
    assert "backing file" not in _qemu("qemu-img", "info", copy)
    assert "2 GiB" in _qemu("qemu-img", "info", copy)


@pytest.mark.parametrize("bench", ["libvirt"], indirect=True)
@needs(Capability.CLONE_FULL)
def test_what_is_made_again_stands_on_what_its_disk_says_and_on_no_master_of_today(bench: Bench, source: str) -> None:
    vm, master = a_vm(), bench.directory / "masters" / ("0" * 64)
    bench.driver.clone_disk(vm, ClonePlan(source, 1), nobody)
    master.write_bytes(b"a system" * 64)
    root = DiskPlan("root", 1, Artifact("0" * 64, 512, "raw", "http://x"))
    bench.driver.deploy(plan(vm, "copy", disks=(root,)), Owner(PLATFORM, vm, 1), {"0" * 64: master})
    domain = bench.driver._connection.get().lookupByUUIDString(hypervisor_uuid(vm))  # type: ignore[attr-defined]
    assert str(master) not in domain.XMLDesc()


def _qemu(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout
