# SPDX-License-Identifier: Apache-2.0
"""Tasks that take their time: followed as the server tells of them. (The simulator's are over when they are begun.)"""

from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim

from services.common.contracts.errors import HostFailed, TryAgain
from services.common.contracts.vm import hypervisor_name
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere import tasks
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.hypervisor import PLATFORM, a_vm, plan
from tests.support.vcsim.administrator import Administrator


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look finds every task still running."""
    monkeypatch.setattr(tasks, "_looked", lambda _seat, _task: {"info.state": "running"})


def deployed(driver: VsphereDriver) -> str:
    vm = a_vm()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    return vm


@pytest.mark.usefixtures("long")
def test_a_long_task_is_followed_to_its_end(driver: VsphereDriver) -> None:
    vm = deployed(driver)
    driver.start(vm)
    assert driver.power(vm) == Power.ON


@pytest.mark.usefixtures("long")
def test_the_fault_of_a_long_task_is_told(driver: VsphereDriver, administrator: Administrator) -> None:
    theirs = administrator.named(vim.VirtualMachine, hypervisor_name(deployed(driver), "web"))
    task = theirs.PowerOffVM_Task()
    with pytest.raises(HostFailed, match="turning it off: InvalidPowerState"):
        tasks.finish(driver.at.session, "turning it off", task)


@pytest.mark.usefixtures("long")
def test_a_sign_out_while_a_task_is_followed_is_no_failure(driver: VsphereDriver, administrator: Administrator) -> None:
    vm = deployed(driver)
    machine = driver.at.find(vm)
    assert machine is not None
    task = driver.at.session.call("starting", lambda _seat: machine.ref.PowerOnVM_Task())
    administrator.sign_out(driver.at.session.cookie)
    tasks.finish(driver.at.session, "starting", task)
    assert driver.power(vm) == Power.ON


def test_a_task_that_does_not_end_is_left_to_the_next_try_with_how_far_it_came() -> None:
    change = SimpleNamespace(changeSet=[SimpleNamespace(name="info.progress", val=40)])
    update = SimpleNamespace(version="1", filterSet=[SimpleNamespace(objectSet=[change])])

    class Slow:
        def CreateFilter(self, *_arguments: Any) -> None: ...
        def DestroyPropertyCollector(self) -> None: ...
        def WaitForUpdatesEx(self, *_arguments: Any) -> Any:
            return update

    class Session:
        def call(self, _doing: str, what: Any, waits: bool = False) -> Any:
            collector = SimpleNamespace(CreatePropertyCollector=Slow)
            return what(SimpleNamespace(content=SimpleNamespace(propertyCollector=collector))) if waits else {}

    with pytest.raises(TryAgain, match=r"making web-1: still .* at 40 %"):
        tasks.finish(Session(), "making web-1", vim.Task("task-1"), 0.05)  # type: ignore[arg-type]
