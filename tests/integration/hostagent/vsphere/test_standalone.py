# SPDX-License-Identifier: Apache-2.0
"""A standalone ESXi is a place as a cluster is, without folders."""

from pathlib import Path

from services.common.contracts.commands import DiskPlan
from services.hostagent.drivers.base import DriverSettings, Owner, Power
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.disk_images import a_master
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.running import vcsim


def test_a_vm_lives_and_goes_on_a_standalone_host(directory: Path) -> None:
    vm = a_vm()
    with vcsim("-esx", "-vms", "2") as server:
        settings = {key: value for key, value in server.settings().items() if key != "cluster"}
        driver = VsphereDriver(DriverSettings(directory, PLATFORM, vsphere=settings))
        driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
        driver.start(vm)
        assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.ON)]
        driver.erase(vm)
        assert driver.inventory() == []
        # It knows no templates: a disk image is a vm that nobody lists, starts or takes for one of ours.
        base = a_master(directory / "masters")
        files = {base.sha256: directory / "masters" / base.sha256}
        begun = plan(vm, nics=(nic(),), disks=(DiskPlan("root", 1, base),))
        for _ in range(2):
            driver.deploy(begun, Owner(PLATFORM, vm, 2), files)
        driver.start(vm)
        assert [(item.vm, item.power) for item in driver.inventory()] == [(vm, Power.ON)]
        driver.erase(vm)
        assert len(driver.keep_masters(())) == 1
        driver.close()
