# SPDX-License-Identifier: Apache-2.0
"""What an agent had just begun when it died goes on at the server: the next agent, told the same, leaves it once."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import SoapAdapter, vim

from services.common.contracts.commands import NicPlan
from services.common.contracts.errors import TryAgain
from services.common.contracts.vm import nic_mac
from services.hostagent.drivers.base import DriverSettings, Owner
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from tests.contract.drivers.stories import STORIES, Life
from tests.integration.hostagent.vsphere.conftest import port_group
from tests.support.dying import Killed
from tests.support.hypervisor import PLATFORM, plan
from tests.support.vcsim.administrator import Administrator
from tests.support.vcsim.running import Vcsim, vcsim


def cards(life: Life, server: Vcsim) -> int:
    administrator = Administrator(server)
    found = administrator.all(vim.VirtualMachine, "name", "config.hardware.device")
    administrator.close()
    (devices,) = [vm["config.hardware.device"] for vm in found if vm["name"] == life.plan.name]
    return sum(isinstance(device, vim.vm.device.VirtualEthernetCard) for device in devices)


def test_a_copy_that_is_under_way_is_waited_for_and_made_anew(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with vcsim("-slow", "CopyVirtualDisk_Task", "-by", "500") as server:
        settings = DriverSettings(directory, PLATFORM, power_curve=(1.0,) * 11, vsphere=server.settings())
        dead = Life(VsphereDriver(settings), network=port_group())
        nics = (NicPlan(nic_mac(dead.source, 0), dead.network),)
        dead.driver.deploy(plan(dead.source, "source", nics=nics), Owner(PLATFORM, dead.source, 1), {})
        call = dies_in(monkeypatch, "CopyVirtualDisk_Task", dead.clone)
        life = replace(dead, driver=VsphereDriver(settings))
        with suppress(TryAgain):
            life.clone()
        call.join()
        life.clone()
        assert sorted(item.vm for item in life.driver.inventory()) == sorted((life.vm, life.source))
        for driver in (dead.driver, life.driver):
            driver.close()


# The call that is under way, and how much of what the verb makes is to be there in the end.
BEGUN: dict[str, tuple[str, Callable[[Life, Vcsim], int], int]] = {
    "attach_nic": ("ReconfigVM_Task", cards, 2),
    "attach_volume": ("ReconfigVM_Task", lambda life, _server: int(life.has_volume(plugged=True)), 1),
    "take_snapshot": ("CreateSnapshot_Task", lambda life, _server: len(life.driver.snapshots(life.vm)), 1),
}


def dies_in(monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[], Any]) -> threading.Thread:
    """Whoever acts is gone once it has sent this call; the call itself, which goes on."""
    whole, sent = SoapAdapter.SoapStubAdapter.InvokeMethod, list[threading.Thread]()

    def invoke(stub: Any, managed: Any, info: Any, *more: Any) -> Any:
        if info.wsdlName != method:
            return whole(stub, managed, info, *more)
        sent.append(threading.Thread(target=whole, args=(stub, managed, info, *more)))
        sent[0].start()
        raise Killed(method)

    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(SoapAdapter.SoapStubAdapter, "InvokeMethod", invoke)
        act()
    return sent[0]


def test_a_vm_whose_making_is_under_way_is_taken_over(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The simulator makes a second vm of the same name; a vCenter says DuplicateName once the first one is there.
    with vcsim("-slow", "CreateVM_Task", "-by", "300") as server:
        settings = DriverSettings(directory, PLATFORM, power_curve=(1.0,) * 11, vsphere=server.settings())
        dead = Life(VsphereDriver(settings), network=port_group())
        call = dies_in(monkeypatch, "CreateVM_Task", dead.deploy)
        life, whole = replace(dead, driver=VsphereDriver(settings)), SoapAdapter.SoapStubAdapter.InvokeMethod

        def refused(stub: Any, managed: Any, info: Any, *more: Any) -> Any:
            if info.wsdlName == "CreateVM_Task":
                call.join()
                raise vim.fault.DuplicateName(name=life.plan.name)
            return whole(stub, managed, info, *more)

        with monkeypatch.context() as patched:
            patched.setattr(SoapAdapter.SoapStubAdapter, "InvokeMethod", refused)
            life.deploy()
        assert [(item.vm, item.power) for item in life.driver.inventory()] == [(life.vm, "off")]
        for driver in (dead.driver, life.driver):
            driver.close()


@pytest.mark.parametrize("verb", BEGUN)
def test_what_is_under_way_is_there_once_in_the_end(
    directory: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    method, count, wanted = BEGUN[verb]
    story = STORIES[verb]
    with vcsim("-slow", method, "-by", "700") as server:
        settings = DriverSettings(directory, PLATFORM, power_curve=(1.0,) * 11, vsphere=server.settings())
        dead = Life(VsphereDriver(settings), network=port_group())
        for before in story.before:
            STORIES[before].act(dead)
        call = dies_in(monkeypatch, method, lambda: story.act(dead))
        life = replace(dead, driver=VsphereDriver(settings))
        story.act(life)
        call.join()
        assert (story.holds(life), count(life, server)) == (True, wanted)
        for driver in (dead.driver, life.driver):
            driver.close()
