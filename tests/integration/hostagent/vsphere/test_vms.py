# SPDX-License-Identifier: Apache-2.0
"""Vms on a vCenter: made whole or not at all, found wherever they were moved to, and nothing of others touched."""

import os
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from services.common.contracts.commands import Artifact, DiskPlan
from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import FoundKind
from services.common.contracts.vm import hypervisor_uuid
from services.common.runtime import failpoints
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere import machines, making, places
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.imagebuilder.slots.layout import Patch
from services.imagebuilder.slots.overlay import write_overlay
from tests.integration.hostagent.vsphere.conftest import Opened, nic, port_group
from tests.support.hypervisor import PLATFORM, a_vm, artifact, as_file, plan, seed_iso
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import DATASTORE, DISTRIBUTED, STANDARD

Installer = tuple[DiskPlan, Mapping[str, Path], bytes]


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    """A drive with a vm's image: its disk, the files the agent has of it, and what shall come to the datastore."""
    content, slot = os.urandom(300_000 // 2048 * 2048), os.urandom(5000)
    master = as_file(tmp_path, content)
    overlay = tmp_path / "overlay"
    write_overlay(overlay, master, [Patch(8192, slot)])
    small = artifact(overlay.read_bytes(), format_="qcow2")
    large = Artifact(master.name, len(content), "iso", "", shared=True)
    disk = DiskPlan("installer", base=small, device="cdrom", backing=large)
    image = content[:8192] + slot + content[8192 + len(slot) :]
    return disk, {small.sha256: overlay, large.sha256: master}, image


def owner(vm: str, fence: int = 1) -> Owner:
    return Owner(PLATFORM, vm, fence)


def deployed(driver: VsphereDriver, name: str = "web") -> str:
    vm = a_vm()
    driver.deploy(plan(vm, name, nics=(nic(),)), owner(vm), {})
    return vm


def on_datastore(driver: VsphereDriver, path: str) -> bytes:
    return driver.at.datastore.get(driver.at.place(), path, 1 << 20)


def found(administrator: Administrator, vm: str) -> dict[str, Any]:
    paths = ("name", "config.uuid", "config.hardware", "config.files.vmPathName", "resourcePool", "parent")
    return next(v for v in administrator.all(vim.VirtualMachine, *paths) if v["config.uuid"] == hypervisor_uuid(vm))


def test_the_images_are_on_the_datastore_and_in_the_drives(
    driver: VsphereDriver, administrator: Administrator, installer: Installer, tmp_path: Path
) -> None:
    vm, seed = a_vm(), seed_iso()
    disk, files, image = installer
    small = DiskPlan("seed", base=artifact(seed), device="cdrom")
    disks = (DiskPlan("root", size_gib=3), disk, DiskPlan("data", size_gib=2), small)
    wanted = plan(vm, disks=disks, nics=(nic(), nic(DISTRIBUTED, "52:54:00:00:00:02")), vcpus=2, memory_mib=512)
    driver.deploy(wanted, owner(vm), {**files, artifact(seed).sha256: as_file(tmp_path, seed)})
    hardware = found(administrator, vm)["config.hardware"]
    devices = hardware.device
    drives = [d.backing.fileName for d in devices if isinstance(d, vim.vm.device.VirtualCdrom)]
    assert [on_datastore(driver, path) for path in drives] == [image, seed]
    sizes = [d.capacityInKB >> 20 for d in devices if isinstance(d, vim.vm.device.VirtualDisk)]
    macs = [d.macAddress for d in devices if isinstance(d, vim.vm.device.VirtualVmxnet3)]
    assert (sizes, macs) == ([3, 2], ["52:54:00:00:00:01", "52:54:00:00:00:02"])
    assert (hardware.numCPU, hardware.memoryMB) == (2, 512)
    driver.erase(vm)
    with pytest.raises(HostFailed, match="404"):
        on_datastore(driver, drives[0])


def test_a_cluster_without_drs_is_told_the_host_of_a_new_vm(
    opened: Opened, administrator: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "balances", lambda seat, compute: False)  # the simulator's clusters always have DRS
    driver = opened()
    hosts = {item["name"]: item["ref"] for item in administrator.all(vim.HostSystem, "name") if "_C0_" in item["name"]}
    for name, host in hosts.items():
        others = [other for other in hosts.values() if other is not host]
        for other in others:
            administrator.run(other.EnterMaintenanceMode_Task(0))
        try:
            vm = deployed(driver, f"on-{name}".lower().replace("_", "-"))
        finally:
            for other in others:
                administrator.run(other.ExitMaintenanceMode_Task(0))
        vms = administrator.all(vim.VirtualMachine, "config.uuid", "runtime.host")
        assert [v["runtime.host"] for v in vms if v["config.uuid"] == hypervisor_uuid(vm)] == [host]


def test_an_overlay_that_names_another_file_than_its_master_is_refused(
    driver: VsphereDriver, installer: Installer, tmp_path: Path
) -> None:
    vm, (disk, files, _image) = a_vm(), installer
    assert disk.backing is not None
    other = as_file(tmp_path, os.urandom(len(files[disk.backing.sha256].read_bytes())))
    with pytest.raises(HostFailed, match="is an overlay of"):
        driver.deploy(plan(vm, disks=(disk,), nics=()), owner(vm), {**files, disk.backing.sha256: other})


def test_a_deploy_that_died_after_its_image_is_finished_by_the_next(
    driver: VsphereDriver, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm, (disk, files, _image) = a_vm(), installer
    wanted = plan(vm, disks=(DiskPlan("root", size_gib=1), disk), nics=(nic(),))

    def dies(point: str) -> None:
        if point == "agent.before-define":
            raise KeyboardInterrupt

    monkeypatch.setattr(making, "hit", dies)
    with pytest.raises(KeyboardInterrupt):
        driver.deploy(wanted, owner(vm), files)
    assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.ABSENT)]
    left = [found for found in driver.survey() if found.vm == vm and found.name.startswith(f"[{DATASTORE}] ")]
    assert [found.kind for found in left] == [FoundKind.DIRECTORY, FoundKind.DISK]
    monkeypatch.setattr(making, "hit", failpoints.hit)
    driver.deploy(wanted, owner(vm), files)
    assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.OFF)]
    assert FoundKind.DISK not in [found.kind for found in driver.survey()]


def test_images_that_do_not_fit_are_refused_before_they_are_sent(driver: VsphereDriver) -> None:
    vm = a_vm()
    huge = Artifact("ab" * 32, 1 << 60, "iso", "")
    with pytest.raises(HostFailed, match=f"datastore {DATASTORE} has .* MiB free"):
        driver.deploy(plan(vm, disks=(DiskPlan("seed", base=huge, device="cdrom"),), nics=()), owner(vm), {})


def test_a_name_that_is_taken_is_refused_and_its_owner_untouched(
    driver: VsphereDriver, administrator: Administrator
) -> None:
    vm = a_vm()
    wanted = plan(vm, nics=())
    folder = found(administrator, deployed(driver))["parent"]
    pool = administrator.all(vim.ResourcePool, "name")[0]["ref"]
    files = vim.vm.FileInfo(vmPathName=f"[{DATASTORE}]")
    theirs = vim.vm.ConfigSpec(name=wanted.name, guestId="otherGuest", numCPUs=1, memoryMB=32, files=files)
    foreign = administrator.run(folder.CreateVM_Task(theirs, pool))
    administrator.run(foreign.PowerOnVM_Task())
    with pytest.raises(HostFailed, match=wanted.name):
        driver.deploy(wanted, owner(vm), {})
    driver.erase(vm)
    named = [v for v in administrator.all(vim.VirtualMachine, "name", "runtime.powerState") if v["ref"] == foreign]
    assert [(v["name"], v["runtime.powerState"]) for v in named] == [(wanted.name, "poweredOn")]
    assert wanted.name not in [item.name for item in driver.inventory()]
    administrator.run(foreign.PowerOffVM_Task())
    administrator.run(foreign.Destroy_Task())


def test_another_platforms_vm_is_neither_listed_nor_touched(driver: VsphereDriver, opened: Opened) -> None:
    vm = deployed(driver)
    driver.start(vm)
    stranger = opened("another-platform")
    assert vm not in [item.vm for item in stranger.inventory() if item.power != Power.ABSENT]
    for verb in (stranger.force_stop, stranger.erase, stranger.power):
        with pytest.raises(HostFailed, match="somebody else's vm"):
            verb(vm)
    assert driver.power(vm) == Power.ON


def test_a_vm_that_was_moved_out_of_our_folder_is_still_ours(
    driver: VsphereDriver, administrator: Administrator
) -> None:
    vm = deployed(driver)
    elsewhere = administrator.all(vim.Datacenter, "vmFolder")[0]["vmFolder"].CreateFolder(f"attic-{vm[:8]}")
    administrator.run(elsewhere.MoveIntoFolder_Task([found(administrator, vm)["ref"]]))
    assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.OFF)]


def test_a_folder_that_somebody_removed_is_made_again(driver: VsphereDriver, administrator: Administrator) -> None:
    first = deployed(driver)
    folder = found(administrator, first)["parent"]
    driver.erase(first)
    administrator.run(folder.Destroy_Task())
    vm = a_vm()
    with pytest.raises(HostFailed, match="ManagedObjectNotFound"):
        driver.deploy(plan(vm, nics=(nic(),)), owner(vm), {})
    driver.deploy(plan(vm, nics=(nic(),)), owner(vm), {})
    driver.start(vm)
    assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.ON)]


def test_a_network_that_is_not_there_is_refused_with_those_that_are(driver: VsphereDriver) -> None:
    with pytest.raises(HostFailed, match="no port group 'nowhere'") as refused:
        driver.ensure_network(port_group("nowhere"))
    assert repr(STANDARD) in refused.value.detail
    assert repr(DISTRIBUTED) in refused.value.detail
    driver.ensure_network(port_group())


@pytest.mark.parametrize("key", ["datacenter", "cluster", "datastore", "resource_pool"])
def test_a_place_that_is_not_there_is_refused_with_those_that_are(opened: Opened, key: str) -> None:
    with pytest.raises(HostFailed, match=r"no .* 'nowhere'; there are "):
        opened(**{key: "nowhere"})


def test_a_running_vm_is_handed_to_a_newer_fence_and_one_that_is_off_gets_its_size_too(driver: VsphereDriver) -> None:
    vm = deployed(driver)
    driver.deploy(plan(vm, nics=(nic(),), vcpus=3, memory_mib=256), owner(vm, 2), {})
    driver.start(vm)
    driver.deploy(plan(vm, nics=(nic(),)), owner(vm, 3), {})
    assert [(item.power, item.fence) for item in driver.inventory()] == [(Power.ON, 3)]


def test_suspend_resume_and_reset_twice_each_and_in_wrong_states(driver: VsphereDriver) -> None:
    vm = deployed(driver)
    for verb in (driver.suspend, driver.resume, driver.reset):
        with pytest.raises(HostFailed):
            verb(vm)
    driver.start(vm)
    for _ in range(2):
        driver.suspend(vm)
    assert driver.power(vm) == Power.PAUSED
    for _ in range(2):
        driver.resume(vm)
    driver.reset(vm)
    assert driver.power(vm) == Power.ON


def test_the_inventory_is_one_call_whatever_the_number_of_vms(
    driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        deployed(driver, f"web{number}")
    asked: list[str] = []
    request = HTTPConnection.request

    def counted(connection: HTTPConnection, method: str, path: str, body: bytes, headers: Any) -> None:
        asked.append(body.decode())
        request(connection, method, path, body, headers)

    monkeypatch.setattr(HTTPConnection, "request", counted)
    swept = driver.inventory()
    assert len(swept) == 5
    (question,) = asked
    assert "RetrievePropertiesEx" in question
    # What the vendor's library reads is the same.
    monkeypatch.setattr(machines, "sweep", lambda *_arguments: None)
    assert sorted(driver.inventory(), key=str) == sorted(swept, key=str)


def test_a_server_that_takes_no_pictures_gives_evidence_without_one(driver: VsphereDriver) -> None:
    # The simulator has no CreateScreenshot_Task; where there is one, see test_recorded_answers.
    vm = deployed(driver)
    driver.start(vm)
    assert driver.evidence(vm).screenshot == b""
