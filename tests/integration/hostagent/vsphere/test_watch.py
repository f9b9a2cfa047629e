# SPDX-License-Identifier: Apache-2.0
"""What somebody does in vCenter is known here within seconds."""

import pytest
from pyVmomi import vim

from services.common.contracts.vm import hypervisor_name
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.waiting import until


class Told:
    """What was told of which vm, and how often it was said that something may have been missed."""

    def __init__(self) -> None:
        self.powers: list[tuple[str, str]] = []
        self.resyncs = 0

    def seen(self, vm: str, power: str) -> None:
        self.powers.append((vm, power))

    def resync(self) -> None:
        self.resyncs += 1


@pytest.fixture
def told(driver: VsphereDriver) -> Told:
    told = Told()
    driver.watch(told.seen, told.resync)
    until(lambda: told.resyncs, 10, "the first look")
    return told


def test_power_and_removal_by_somebody_else_are_told(
    driver: VsphereDriver, administrator: Administrator, told: Told
) -> None:
    vm = a_vm()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    theirs = administrator.named(vim.VirtualMachine, hypervisor_name(vm, "web"))
    for task, power in (("PowerOnVM_Task", Power.ON), ("PowerOffVM_Task", Power.OFF), ("Destroy_Task", Power.ABSENT)):
        administrator.run(getattr(theirs, task)())
        until(lambda power=power: (vm, power) in told.powers, 5, f"the vm seen {power}")


def test_after_a_sign_out_it_is_said_that_something_may_have_been_missed(
    driver: VsphereDriver, administrator: Administrator, told: Told
) -> None:
    before = told.resyncs
    administrator.sign_out(driver.at.session.cookie)
    until(lambda: told.resyncs > before, 10, "another look")
