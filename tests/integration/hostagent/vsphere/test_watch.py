# SPDX-License-Identifier: Apache-2.0
"""What somebody does in vCenter is known here within seconds."""

from typing import Any

import pytest
from pyVmomi import vim

from services.common.contracts.tools import ToolsFacts, ToolsLink
from services.common.contracts.vm import hypervisor_name
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.guest_tools import read
from tests.integration.hostagent.vsphere.conftest import Opened, nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.waiting import until


class Told:
    """What was told of which vm, and how often it was said that something may have been missed."""

    def __init__(self) -> None:
        self.powers: list[tuple[str, str]] = []
        self.tools: dict[str, ToolsFacts] = {}
        self.resyncs = 0

    def seen_by_tools(self, vm: str, facts: ToolsFacts) -> None:
        self.tools[vm] = facts

    def seen(self, vm: str, power: str) -> None:
        self.powers.append((vm, power))

    def resync(self) -> None:
        self.resyncs += 1


@pytest.fixture
def told(driver: VsphereDriver) -> Told:
    told = Told()
    driver.watch_tools(told.seen_by_tools)
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


def says(administrator: Administrator, theirs: Any, **properties: str) -> None:
    """The simulator takes properties of a guest in place of options."""
    options = [vim.option.OptionValue(key=f"SET.guest.{name}", value=text) for name, text in properties.items()]
    administrator.run(theirs.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options)))


def test_what_vmware_tools_say_of_a_guest_is_told_and_told_again_to_the_next_agent(
    driver: VsphereDriver, opened: Opened, administrator: Administrator, told: Told
) -> None:
    vm, card = a_vm(), nic()
    driver.deploy(plan(vm, nics=(card,)), Owner(PLATFORM, vm, 1), {})
    theirs = administrator.named(vim.VirtualMachine, hypervisor_name(vm, "web"))
    administrator.run(theirs.PowerOnVM_Task())
    until(lambda: (vm, Power.ON) in told.powers, 5, "the vm seen on")
    powers = list(told.powers)
    system = {"hostName": "web-1", "guestFullName": "Debian GNU/Linux 12 (64-bit)"}
    says(administrator, theirs, toolsRunningStatus="guestToolsRunning", ipAddress="10.0.0.5", **system)
    facts = ToolsFacts(True, "web-1", system["guestFullName"], (ToolsLink(card.mac, ("10.0.0.5",)),))
    until(lambda: told.tools.get(vm) == facts, 5, "what the tools say")
    says(administrator, theirs, ipAddress="10.0.0.6")
    until(lambda: told.tools[vm].links == (ToolsLink(card.mac, ("10.0.0.6",)),), 5, "another address")
    says(administrator, theirs, toolsRunningStatus="guestToolsNotRunning")
    until(lambda: told.tools[vm] == ToolsFacts(False), 5, "the tools' end")
    assert told.powers == powers, "a guest's words are no change of its power"
    says(administrator, theirs, toolsRunningStatus="guestToolsRunning")
    later = Told()
    another = opened()
    another.watch_tools(later.seen_by_tools)
    another.watch(later.seen, later.resync)
    until(lambda: vm in later.tools and later.tools[vm].hostname == "web-1", 5, "the same to another agent")
    assert set(later.tools) == {vm}, "of vms that aren't ours nothing is told"


def test_a_card_is_known_by_its_mac_with_its_prefix_lengths_and_what_is_no_card_is_left_out() -> None:
    network, net = vim.vm.GuestInfo.NicInfo, vim.net.IpConfigInfo
    addresses = [net.IpAddress(ipAddress=text, prefixLength=n) for text, n in (("10.0.0.5", 24), ("fe80::1", 64))]
    cards = [
        network(macAddress="52:54:00:00:00:0A", deviceConfigId=4000, ipConfig=net(ipAddress=addresses)),
        network(macAddress="52:54:00:00:00:0b", deviceConfigId=4001),
        network(macAddress="02:42:ac:11:00:02", deviceConfigId=-1, ipAddress=["172.17.0.1"]),
    ]
    found = read({"guest.toolsRunningStatus": "guestToolsExecutingScripts", "guest.net": cards})
    assert found.running
    assert found.links == (
        ToolsLink("52:54:00:00:00:0a", ("10.0.0.5/24", "fe80::1/64")),
        ToolsLink("52:54:00:00:00:0b"),
    )
    assert read({}) == ToolsFacts(False)


def test_after_a_sign_out_it_is_said_that_something_may_have_been_missed(
    driver: VsphereDriver, administrator: Administrator, told: Told
) -> None:
    before = told.resyncs
    administrator.sign_out(driver.at.session.cookie)
    until(lambda: told.resyncs > before, 10, "another look")
