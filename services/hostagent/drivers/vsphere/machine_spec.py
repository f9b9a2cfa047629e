# SPDX-License-Identifier: Apache-2.0
"""A plan as vSphere's specification of a new vm. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import Artifact, DeployPlan, DiskPlan
from services.common.contracts.devices import E1000E, SATA
from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.base import Owner
from services.hostagent.drivers.vsphere.mark import mark

_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec
_SCSI, _SATA, _IDE = 1000, 15000, 200  # keys vSphere itself gives to the first controllers of these kinds
_IDE_DRIVES = 2  # on each of the two IDE controllers that every vm has
_SCSI_SELF = 7  # the controller's own number on its bus
_NEW = -100  # keys of new devices are negative, and vSphere's to choose
_GIB = 1 << 20  # in KiB


def vm_spec(plan: DeployPlan, owner: Owner, datastore: str, images: Mapping[int, str], backings: Sequence[Any]) -> Any:
    """The new vm. `images` are paths of files by the disk's place in the plan, `backings` the NICs' other ends."""
    if plan.kernel is not None:
        raise HostFailed(f"{plan.name} starts a kernel directly, which vSphere can't")
    spec = vim.vm.ConfigSpec(
        name=plan.name,
        uuid=plan.uuid,
        instanceUuid=plan.uuid,
        numCPUs=plan.vcpus,
        memoryMB=plan.memory_mib,
        guestId=_guest_id(plan),
        firmware="efi" if plan.firmware == "uefi" else "bios",
        files=vim.vm.FileInfo(vmPathName=f"[{datastore}]"),
        cpuHotAddEnabled=True,
        memoryHotAddEnabled=True,
        extraConfig=[mark(owner), vim.option.OptionValue(key="disk.EnableUUID", value="TRUE")],
        deviceChange=_devices(plan, datastore, images, backings),
    )
    if plan.devices.secure_boot:
        spec.bootOptions = vim.vm.BootOptions(efiSecureBootEnabled=True)
    return spec


def _guest_id(plan: DeployPlan) -> str:
    ids = vim.vm.GuestOsDescriptor.GuestOsIdentifier
    return str(ids.windows9Server64Guest if plan.os.startswith("windows") else ids.otherLinux64Guest)


def _devices(plan: DeployPlan, datastore: str, images: Mapping[int, str], backings: Sequence[Any]) -> list[Any]:
    ahci = plan.devices.disk == SATA
    changes = [_added(_DEVICE.VirtualAHCIController(key=_SATA, busNumber=0))]
    if not ahci:
        alone = _DEVICE.VirtualSCSIController.Sharing.noSharing
        changes.append(_added(_DEVICE.ParaVirtualSCSIController(key=_SCSI, busNumber=0, sharedBus=alone)))
    on_sata, on_scsi, on_ide = 0, 0, 0
    for number, disk in enumerate(plan.disks):
        if number in images and not disk.cloned:
            # Kernels made for clouds have no driver of AHCI.
            bus, unit = (_SATA, on_sata) if ahci else (_IDE + on_ide // _IDE_DRIVES, on_ide % _IDE_DRIVES)
            changes.append(_added(_cdrom(_NEW - number, bus, unit, images[number])))
            on_sata, on_ide = (on_sata + 1, on_ide) if ahci else (on_sata, on_ide + 1)
        elif disk.size_gib or disk.cloned:
            unit = on_sata if ahci else scsi_unit(on_scsi)
            path = images.get(number, f"[{datastore}]")
            change = new_disk(_NEW - number, _SATA if ahci else _SCSI, unit, disk.size_gib, path)
            changes.append(_as_it_is(change) if disk.cloned else change)
            on_sata, on_scsi = (on_sata + 1, on_scsi) if ahci else (on_sata, on_scsi + 1)
    base = _NEW - len(plan.disks)
    for number, (nic, backing) in enumerate(zip(plan.nics, backings, strict=True)):
        changes.append(new_nic(base - number, plan.devices.nic, nic.mac, backing))
    return changes


def scsi_unit(number: int) -> int:
    """The number of the n-th disk on its bus; one is the controller's own."""
    return number + (number >= _SCSI_SELF)


def new_disk(key: int, controller: int, unit: int, size_gib: int, path: str) -> Any:
    """An empty disk, made where `path` says; one without a file name gets one beside the vm's definition."""
    backing = _DEVICE.VirtualDisk.FlatVer2BackingInfo(
        fileName=path, diskMode=_DEVICE.VirtualDiskOption.DiskMode.persistent, thinProvisioned=True
    )
    disk = _DEVICE.VirtualDisk(
        key=key, controllerKey=controller, unitNumber=unit, capacityInKB=size_gib * _GIB, backing=backing
    )
    return _Change(operation=_Change.Operation.add, fileOperation=_Change.FileOperation.create, device=disk)


def _as_it_is(change: Any) -> Any:
    """The same disk, which is there already."""
    change.fileOperation = change.device.backing.thinProvisioned = None
    return change


def new_nic(key: int, kind: str, mac: str, backing: Any) -> Any:
    """A card with a MAC of ours."""
    card = _DEVICE.VirtualE1000e if kind == E1000E else _DEVICE.VirtualVmxnet3
    return _added(
        card(
            key=key,
            addressType="manual",
            macAddress=mac,
            backing=backing,
            connectable=_DEVICE.VirtualDevice.ConnectInfo(startConnected=True, connected=True, allowGuestControl=True),
        )
    )


def disk_image_of(plan: DeployPlan) -> Artifact | None:
    """What the vm's disk begins as, where it isn't empty; HostFailed for what vSphere can't have."""
    begun = [disk for disk in plan.disks if disk.begins_as is not None]
    for disk in begun[1:]:
        raise HostFailed(f"the {disk.role} disk of {plan.name} is the second that starts as an image")
    for disk in begun:
        if disk.backing is not None:
            raise HostFailed(f"the {disk.role} disk of {plan.name} starts as an overlay, which vSphere can't read")
        return disk.begins_as
    return None


def with_copies(plan: DeployPlan) -> DeployPlan:
    """The plan as it is once the disk that begins as an image was copied from there."""
    copied = (replace(d, base=None, cloned=True) if d.begins_as is not None else d for d in plan.disks)
    return replace(plan, disks=tuple(copied))


def images_of(plan: DeployPlan) -> dict[int, DiskPlan]:
    """The drives with an image in them, by their place in the plan; HostFailed for one vSphere can't have."""
    found = {number: disk for number, disk in enumerate(plan.disks) if disk.base is not None}
    for disk in found.values():
        if disk.base is not None and disk.base.format == "qcow2" and disk.backing is None:
            raise HostFailed(f"the {disk.role} drive of {plan.name} has a qcow2 in it, which vSphere can't read")
    return found


def _cdrom(key: int, controller: int, unit: int, path: str) -> Any:
    return _DEVICE.VirtualCdrom(
        key=key,
        controllerKey=controller,
        unitNumber=unit,
        backing=_DEVICE.VirtualCdrom.IsoBackingInfo(fileName=path),
        connectable=_DEVICE.VirtualDevice.ConnectInfo(startConnected=True, connected=True, allowGuestControl=True),
    )


def _added(device: Any) -> Any:
    return _Change(operation=_Change.Operation.add, device=device)
