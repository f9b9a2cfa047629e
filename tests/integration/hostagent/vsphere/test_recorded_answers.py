# SPDX-License-Identifier: Apache-2.0
"""What the simulator never says, as real servers say it: their faults, word by word, and a picture of a screen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from services.common.contracts.commands import Artifact, DiskPlan
from services.common.contracts.devices import Devices
from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.vsphere import datastore, machines, powering, screen, sweep
from services.hostagent.drivers.vsphere.collector import _found
from services.hostagent.drivers.vsphere.driver import VsphereDriver
from services.hostagent.drivers.vsphere.machine_spec import disk_image_of, images_of, scsi_unit, vm_spec
from services.hostagent.drivers.vsphere.mark import mark, read_mark
from services.hostagent.drivers.vsphere.vendor_errors import ours
from tests.integration.hostagent.vsphere.conftest import nic
from tests.support.hypervisor import PLATFORM, a_vm, plan

_PNG = b"\x89PNG\r\n\x1a\nrecorded"


def said(fault: Any, text: str) -> Any:
    """The fault with the sentence a server puts beside it."""
    fault.msg = text
    return fault


REFUSALS = {
    "NoDiskSpace": said(
        vim.fault.NoDiskSpace(file="/vmfs/volumes/ds1/web/web.vmdk", datastore="ds1"),
        "Insufficient disk space on datastore 'ds1'.",
    ),
    "InsufficientResourcesFault": said(
        vim.fault.InsufficientResourcesFault(),
        "The available Memory resources in the parent resource pool are too low.",
    ),
    "NoPermission": said(
        vim.fault.NoPermission(privilegeId="VirtualMachine.Inventory.Create"), "Permission to perform this was denied."
    ),
    "DuplicateName": said(vim.fault.DuplicateName(name="web-1"), "The name 'web-1' already exists."),
    "InvalidLogin": said(vim.fault.InvalidLogin(), "Cannot complete login due to an incorrect user name or password."),
}
LATER = {
    "TaskInProgress": said(vim.fault.TaskInProgress(), "The operation is not allowed in the current state."),
    "HostNotConnected": said(vmodl.fault.HostNotConnected(), "Unable to communicate with the remote host."),
    "Timedout": said(vim.fault.Timedout(), "Operation timed out."),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_keeps_the_vendors_name_and_words(name: str) -> None:
    error = ours("making web-1", REFUSALS[name])
    assert isinstance(error, HostFailed)
    for part in ("making web-1", name, REFUSALS[name].msg):
        assert part in error.detail


def test_a_missing_privilege_is_named() -> None:
    assert "VirtualMachine.Inventory.Create" in ours("making web-1", REFUSALS["NoPermission"]).detail


@pytest.mark.parametrize("name", LATER)
def test_what_may_be_otherwise_later_is_tried_again(name: str) -> None:
    error = ours("starting vm 1", LATER[name])
    assert isinstance(error, TryAgain)
    assert LATER[name].msg in error.detail


def test_a_datastore_that_runs_full_in_the_middle_fails_the_deploy_with_its_words(
    driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = a_vm()

    def full(*_arguments: Any) -> Any:
        raise REFUSALS["NoDiskSpace"]

    driver.at.place()
    monkeypatch.setattr(vim.Folder, "CreateVM_Task", full)
    with pytest.raises(HostFailed, match="Insufficient disk space on datastore 'ds1'"):
        driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})


def test_a_guest_without_vmware_tools_misses_the_button(driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = a_vm()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 1), {})
    driver.start(vm)

    def deaf(*_arguments: Any) -> Any:
        raise vim.fault.ToolsUnavailable()

    monkeypatch.setattr(vim.VirtualMachine, "ShutdownGuest", deaf)
    powering.press(driver.at, vm)
    assert driver.power(vm) == "on"


def test_a_picture_of_the_screen_is_fetched_and_removed(
    driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = driver.at.place()
    driver.at.call(
        "making a directory", lambda seat, place: driver.at.datastore.make_directory(seat, place, "pictures")
    )
    (tmp_path / "shot.png").write_bytes(_PNG)
    driver.at.datastore.put_file(place, "pictures/web-1.png", tmp_path / "shot.png")
    path = driver.at.datastore.path(place, "pictures", "web-1.png")
    monkeypatch.setattr(screen, "finish", lambda *_arguments: path)
    shown = type("Shown", (), {"CreateScreenshot_Task": lambda self: "task-1"})()
    assert screen.screenshot(driver.at.session, driver.at.datastore, place, shown) == _PNG
    with pytest.raises(HostFailed, match="404"):
        driver.at.datastore.get(place, path, 100)


@pytest.mark.parametrize(("status", "error"), [(507, HostFailed), (404, HostFailed), (500, TryAgain), (401, TryAgain)])
def test_what_a_datastore_answers_to_an_upload_is_told(
    driver: VsphereDriver, status: int, error: type[Exception]
) -> None:
    answer = type("Answer", (), {"status": status, "reason": "recorded"})()
    with pytest.raises(error, match=f"{status} recorded"):
        datastore.Datastore._check(driver.at.datastore, answer, "writing a file")


def test_half_of_an_objects_properties_is_not_taken_for_all() -> None:
    missing = vmodl.query.PropertyCollector.MissingProperty(path="runtime", fault=vmodl.fault.SystemError())
    ref = vim.VirtualMachine("vm-1")
    half = vmodl.query.PropertyCollector.ObjectContent(obj=ref, propSet=[], missingSet=[missing])
    with pytest.raises(TryAgain, match="runtime of vm-1"):
        _found(half)


def test_a_vm_whose_configuration_cannot_be_read_just_now_is_still_ours(
    driver: VsphereDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = a_vm()
    driver.deploy(plan(vm, nics=(nic(),)), Owner(PLATFORM, vm, 4), {})
    machine = driver.at.find(vm)
    assert machine is not None
    # As a server tells of a vm whose datastore is away.
    unread = (machine.ref._moId, {"name": machine.name, "runtime.powerState": "poweredOff"})
    foreign = ("vm-999", {"name": "theirs", "runtime.powerState": "poweredOn"})
    monkeypatch.setattr(machines, "sweep", lambda *_arguments: [unread, foreign])
    assert [(item.vm, item.fence, item.power) for item in driver.inventory()] == [(vm, 4, "off")]


_ANSWER = b"""<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25">
<returnval><token>t-2</token><objects><obj type="VirtualMachine">vm-7</obj>%b</objects></returnval>
</RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"""


def test_a_sweep_goes_on_at_the_next_page_and_leaves_half_answers_to_the_library() -> None:
    name = b'<propSet><name>name</name><val xsi:type="xsd:string">a &amp; b</val></propSet>'
    assert sweep.read(_ANSWER % name) == ([("vm-7", {"name": "a & b"})], "t-2")
    missing = b"<missingSet><path>config.extraConfig</path></missingSet>"
    assert sweep.read(_ANSWER % (name + missing)) is None


def test_the_newest_mark_counts_and_a_strangers_is_none() -> None:
    first, second = Owner("p", "v", 1), Owner("p with spaces", "v", 2)
    assert read_mark([mark(first), mark(second)]) == second
    assert read_mark([]) is None
    assert read_mark([vim.option.OptionValue(key="innkeeper.owner", value="half")]) is None


def test_a_plan_becomes_the_hardware_its_system_can_drive() -> None:
    wanted = plan(
        a_vm(),
        disks=(DiskPlan("root", size_gib=1),),
        firmware="uefi",
        devices=Devices("sata", "e1000e", secure_boot=True),
    )
    spec = vm_spec(wanted, Owner("p", "v", 1), "ds", {}, [vim.vm.device.VirtualDevice.BackingInfo()])
    kinds = [type(change.device).__name__.rsplit(".", 1)[-1] for change in spec.deviceChange]
    assert kinds == ["VirtualAHCIController", "VirtualDisk", "VirtualE1000e"]
    assert (spec.firmware, spec.bootOptions.efiSecureBootEnabled) == ("efi", True)


def test_disks_leave_out_the_controllers_own_number() -> None:
    assert [scsi_unit(number) for number in (0, 6, 7, 8)] == [0, 6, 8, 9]


def test_an_image_vsphere_cannot_have_is_refused() -> None:
    one = Artifact("ab" * 32, 1, "qcow2", "")
    with pytest.raises(HostFailed, match="the seed drive"):
        images_of(plan(a_vm(), disks=(DiskPlan("seed", base=one, device="cdrom"),)))
    with pytest.raises(HostFailed, match=r"the root disk .* as an overlay"):
        disk_image_of(plan(a_vm(), disks=(DiskPlan("root", base=one, backing=one),)))
    with pytest.raises(HostFailed, match=r"the data disk .* the second"):
        disk_image_of(plan(a_vm(), disks=(DiskPlan("root", base=one), DiskPlan("data", base=one))))


def test_drives_are_on_ide_where_the_system_needs_no_sata() -> None:
    # Kernels made for clouds (linux-image-cloud-amd64) have ata_piix, vmw_pvscsi and vmxnet3, and no ahci.
    one = Artifact("ab" * 32, 1, "iso", "")
    drives = tuple(DiskPlan(role, base=one, device="cdrom") for role in ("installer", "seed", "tools"))
    wanted = plan(a_vm(), disks=(DiskPlan("root", 1), *drives), nics=())
    paths = {number: f"[ds] {number}.iso" for number in (1, 2, 3)}
    for devices, places in (
        (Devices(), [(200, 0), (200, 1), (201, 0)]),
        (Devices("sata"), [(15000, n) for n in (1, 2, 3)]),
    ):
        spec = vm_spec(replace(wanted, devices=devices), Owner("p", "v", 1), "ds", paths, [])
        cds = [c.device for c in spec.deviceChange if isinstance(c.device, vim.vm.device.VirtualCdrom)]
        assert [(cd.controllerKey, cd.unitNumber) for cd in cds] == places
