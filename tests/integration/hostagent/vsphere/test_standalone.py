# SPDX-License-Identifier: Apache-2.0
"""A standalone ESXi is a place as a cluster is, without folders."""

from pathlib import Path

from services.hostagent.drivers.base import DriverSettings, Owner, Power
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.integration.hostagent.vsphere.conftest import nic
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
        driver.close()
