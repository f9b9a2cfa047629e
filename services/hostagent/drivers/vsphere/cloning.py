# SPDX-License-Identifier: Apache-2.0
"""Copies of a vm's first disk on the datastore, made by the server: nothing of it passes through here."""

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import ClonePlan, DeployPlan
from services.common.contracts.errors import HostFailed, TryAgain
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import devices_of
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.plugged_volumes import FOLDER, files_of
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.tasks import finish

_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec
_COPY, _DRAFT = "root.vmdk", "root-draft.vmdk"
_COPY_S = 14400.0
_KIB_PER_GIB = 1 << 20
_ABSENT = (vim.fault.FileNotFound, vim.fault.CannotAccessFile)


def path_of(at: Hypervisor, place: Place, vm: str) -> str:
    """Where a vm's copied disk lies."""
    return at.datastore.path(place, vm, _COPY)


def is_copied(at: Hypervisor, vm: str) -> bool:
    """Whether the vm has a whole copy."""
    doing = f"looking for the disk of vm {vm}"
    return at.call(doing, lambda seat, place: _is_there(seat, place, path_of(at, place, vm)))


def source_disk(at: Hypervisor, vm: str, clone: ClonePlan) -> str:
    """The path of the disk that is to be copied; "" where the vm has a whole copy already."""
    if is_copied(at, vm):
        return ""
    found = at.call(
        f"copying the disk of vm {clone.source}", lambda seat, place: source_of(at, seat, place, clone.source)
    )
    return str(found.backing.fileName)


def copy_disk(at: Hypervisor, vm: str, source: str) -> None:
    """Have the server make the copy; it has its name once it is whole."""
    doing = f"copying {source}"
    hit("agent.before-clone")
    _drop_draft(at, doing, vm)
    at.call(doing, lambda seat, place: at.datastore.make_directory(seat, place, vm))
    draft = at.datastore.path(at.place(), vm, _DRAFT)
    try:
        _run(at, doing, lambda disks, dc: disks.CopyVirtualDisk_Task(source, dc, draft, dc, None, False), _COPY_S)
    except HostFailed as error:
        if error.extra.get("vsphere") == "FileAlreadyExists":
            raise TryAgain(f"{doing}: a copy that was begun before is still under way") from error
        raise
    hit("agent.before-clone-kept")
    whole = path_of(at, at.place(), vm)
    _run(at, doing, lambda disks, dc: disks.MoveVirtualDisk_Task(draft, dc, whole, dc, False, None))
    hit("agent.after-clone")


def refuse_without_copy(at: Hypervisor, seat: Seat, place: Place, plan: DeployPlan, vm: str) -> None:
    """Raise HostFailed where the plan counts on a copy that isn't there."""
    if any(disk.cloned for disk in plan.disks) and not _is_there(seat, place, path_of(at, place, vm)):
        raise HostFailed(f"making {plan.name}: its disk was not copied yet")


def grow(at: Hypervisor, plan: DeployPlan, vm: str) -> None:
    """Make the copied disk of a vm that is made now as large as the plan says; it never shrinks."""
    sizes = [disk.size_gib * _KIB_PER_GIB for disk in plan.disks if disk.cloned]

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.need(seat, place, vm)
        disk = _first(devices_of(seat, machine))
        if disk is None or disk.capacityInKB >= sizes[0]:
            return None
        disk.capacityInKB, disk.capacityInBytes = sizes[0], sizes[0] << 10
        change = _Change(operation=_Change.Operation.edit, device=disk)
        return machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change]))

    if sizes:
        at.run(f"making the disk of {plan.name} larger", begin)


def source_of(at: Hypervisor, seat: Seat, place: Place, vm: str) -> Any:
    """The first disk of a vm that is off; HostFailed where there is none, or it isn't off."""
    machine = at.machines.need(seat, place, vm)
    if machine.power != Power.OFF:
        raise HostFailed(f"{machine.name} is {machine.power}: a vm is cloned while it is off")
    disk = _first(devices_of(seat, machine))
    if disk is None:
        raise HostFailed(f"{machine.name} has no disk of its own that could be copied")
    return disk


def _first(devices: Sequence[Any]) -> Any:
    """The disk that came first, and is no volume, on whichever datastore."""
    disks = [device for device in devices if isinstance(device, _DEVICE.VirtualDisk)]
    own = [disk for disk in disks if not any(f"/{FOLDER}/" in path for path in files_of(disk.backing))]
    return min(own, key=lambda disk: disk.key, default=None)


def _is_there(seat: Seat, place: Place, path: str) -> bool:
    try:
        seat.content.virtualDiskManager.QueryVirtualDiskUuid(path, place.datacenter)
    except _ABSENT:
        return False
    return True


def _drop_draft(at: Hypervisor, doing: str, vm: str) -> None:
    """What an earlier try left; while the server still copies to it, it is refused, and tried again later."""
    draft = at.datastore.path(at.place(), vm, _DRAFT)
    try:
        _run(at, doing, lambda disks, dc: disks.DeleteVirtualDisk_Task(draft, dc))
    except HostFailed as error:
        if error.extra.get("vsphere") != "FileNotFound":
            raise


def _run(at: Hypervisor, doing: str, begin: Any, deadline_s: float = 600.0) -> None:
    task = at.call(doing, lambda seat, place: begin(seat.content.virtualDiskManager, place.datacenter))
    finish(at.session, doing, task, deadline_s)
