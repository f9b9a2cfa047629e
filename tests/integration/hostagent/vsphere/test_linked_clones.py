# SPDX-License-Identifier: Apache-2.0
"""Linked clones on a vCenter: disks over another vm's, which is there whatever becomes of them.

The simulator removes one file for each disk; a real server removes the files of a whole chain. So what is on a vm when
it is destroyed is looked at, too.
"""

from dataclasses import replace
from typing import Any

import pytest
from pyVmomi import vim

from services.common.contracts.commands import ClonePlan, DeployPlan, DiskPlan, SnapshotPlan, VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import FoundKind
from services.common.contracts.vm import hypervisor_uuid
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.plugged_volumes import files_of
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator

DISK = vim.vm.device.VirtualDisk


@pytest.fixture
def source(driver: VsphereDriver) -> str:
    vm = a_vm()
    driver.deploy(plan(vm, "source", nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    return vm


@pytest.fixture
def destroyed(driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files of each vm's disks at the moment it is destroyed."""
    seen: list[list[str]] = []
    destroy = vim.VirtualMachine.Destroy_Task

    def noted(ref: Any) -> Any:
        def look(seat: Any) -> list[Any]:
            found = retrieve(seat, of([ref], vim.VirtualMachine, ("config.hardware.device",)))
            return list(found[0].get("config.hardware.device"))

        devices = driver.at.session.call("looking", look)
        seen.append([path for one in devices if isinstance(one, DISK) for path in files_of(one.backing)])
        return destroy(ref)

    monkeypatch.setattr(vim.VirtualMachine, "Destroy_Task", noted)
    return seen


def around(vm: str) -> DeployPlan:
    return replace(plan(vm, "copy", nics=(nic(),)), disks=(DiskPlan("root", 1, cloned=True),))


def linked(driver: VsphereDriver, source: str) -> str:
    vm = a_vm()
    driver.clone_disk(vm, ClonePlan(source, 1, linked=True), lambda _percent: None)
    driver.deploy(around(vm), Owner(PLATFORM, vm, 1), {})
    return vm


def chain(administrator: Administrator, vm: str) -> list[str]:
    """The files of a vm's first disk, its own first."""
    found = administrator.all(vim.VirtualMachine, "config.uuid", "config.hardware.device")
    devices = next(one["config.hardware.device"] for one in found if one["config.uuid"] == hypervisor_uuid(vm))
    return list(files_of(next(one for one in devices if isinstance(one, DISK)).backing))


def is_there(driver: VsphereDriver, path: str) -> bool:
    return driver.at.datastore.get(driver.at.place(), path, 1 << 20) == b""


def test_clones_over_clones_stand_on_their_sources_and_go_without_them(
    driver: VsphereDriver, administrator: Administrator, source: str, destroyed: list[list[str]]
) -> None:
    (root,) = chain(administrator, source)
    first = linked(driver, source)
    second = linked(driver, first)
    own = [driver.at.datastore.path(driver.at.place(), vm, "root.vmdk") for vm in (second, first)]
    assert chain(administrator, second) == [*own, root]
    assert FoundKind.DISK not in [found.kind for found in driver.survey()]
    for vm, path in ((second, own[0]), (first, own[1])):
        driver.start(vm)
        driver.take_snapshot(vm, SnapshotPlan(a_vm(), memory=True))
        for _ in range(2):
            driver.erase(vm)
        assert [found for found in driver.survey() if vm in (found.vm, found.name)] == []
        with pytest.raises(HostFailed, match="404"):
            is_there(driver, path)
    assert destroyed == [[], []], "no chain was on either when it was destroyed"
    driver.start(source)
    assert (is_there(driver, root), driver.power(source)) == (True, Power.ON)
    driver.erase(source)
    assert destroyed[2:] == [[root]], "a vm with a disk of its own alone goes with it"


def test_volumes_come_and_go_and_the_clone_is_handed_over_as_any_vm(
    driver: VsphereDriver, administrator: Administrator, source: str
) -> None:
    vm, volume = linked(driver, source), VolumePlan(a_vm(), 1)
    before = chain(administrator, vm)
    driver.attach_volume(vm, volume)
    driver.grow_volume(vm, replace(volume, size_gib=3))
    driver.deploy(replace(around(vm), memory_mib=128), Owner(PLATFORM, vm, 2), {})
    assert chain(administrator, vm) == before
    driver.detach_volume(vm, volume.id)
    driver.drop_volume(volume.id)
    assert chain(administrator, vm) == before


def test_a_lost_disk_is_not_made_anew_and_empty(
    driver: VsphereDriver, administrator: Administrator, source: str
) -> None:
    vm = linked(driver, source)
    driver.at.datastore.remove(driver.at.place(), driver.at.datastore.path(driver.at.place(), vm))
    found = administrator.all(vim.VirtualMachine, "config.uuid")
    administrator.run(next(v["ref"] for v in found if v["config.uuid"] == hypervisor_uuid(vm)).Destroy_Task())
    with pytest.raises(HostFailed, match="not copied yet"):
        driver.deploy(around(vm), Owner(PLATFORM, vm, 2), {})


def test_a_source_that_was_started_meanwhile_is_stood_on_by_nobody(driver: VsphereDriver, source: str) -> None:
    vm = a_vm()
    driver.clone_disk(vm, ClonePlan(source, 1, linked=True), lambda _percent: None)
    driver.start(source)
    with pytest.raises(HostFailed, match="cloned while it is off"):
        driver.deploy(around(vm), Owner(PLATFORM, vm, 1), {})
    with pytest.raises(HostFailed, match="cloned while it is off"):
        driver.clone_disk(a_vm(), ClonePlan(source, 1, linked=True), lambda _percent: None)
    driver.force_stop(source)
    driver.deploy(around(vm), Owner(PLATFORM, vm, 1), {})
    assert driver.power(vm) == Power.OFF
