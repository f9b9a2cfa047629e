# SPDX-License-Identifier: Apache-2.0
"""Volumes on vSphere: a disk file each in our directory of the datastore, plugged into one vm at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machine_spec import scsi_unit
from services.hostagent.drivers.vsphere.machines import Machine, devices_of
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.tasks import finish

_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec
FOLDER = "volumes"
_KIB_PER_GIB = 1 << 20
_UNITS = 15  # as many as every kind of SCSI controller has
_PORTS = 30  # of an AHCI controller


class PluggedVolumes:
    """Whose a volume is stands in a file of the agent's, written before it is plugged in and removed when it is out."""

    def __init__(self, at: Hypervisor, files: VmFiles) -> None:
        self._at, self._files = at, files

    def attach(self, vm: str, volume: VolumePlan) -> None:
        """See Driver.attach_volume."""
        self._refuse_anothers(volume.id, vm)
        doing = f"plugging volume {volume.id} into vm {vm}"
        self._at.call(doing, lambda seat, place: self._prepare(seat, place.on(volume.datastore), vm))
        hit("agent.before-attach-volume")
        self._files.hold(volume.id, vm, volume.datastore)
        try:
            self._at.run(doing, lambda seat, place: self._plug(seat, place, vm, volume, makes=True))
        except HostFailed as error:
            if error.extra.get("vsphere") == "FileAlreadyExists":
                # It was made before: what is on it is somebody's data.
                self._plug_existing(vm, volume)
            elif not self._is_plugged(vm, volume.id):  # by what an agent that died had just begun
                raise
        hit("agent.after-attach-volume")

    def detach(self, vm: str, volume: str) -> None:
        """See Driver.detach_volume."""
        hit("agent.before-detach-volume")
        self._at.run(f"taking volume {volume} off vm {vm}", lambda seat, place: self._unplug(seat, place, vm, [volume]))
        if self._files.holder(volume) == vm:
            self._files.hold(volume, "")
        hit("agent.after-detach-volume")

    def detach_all(self, vm: str) -> None:
        """Before the vm is erased: vSphere removes every disk that is plugged in, and volumes outlive their vms.

        They stay the vm's own until another one gets them: it may be made anew.
        """
        held = self._files.held_by(vm)
        if held:
            doing = f"taking volumes off vm {vm}"
            self._at.run(doing, lambda seat, place: self._unplug(seat, place, vm, held))

    def attach_again(self, vm: str) -> None:
        """Into a vm that was made anew: all that is its own."""
        for volume in self._files.held_by(vm):
            as_it_is = VolumePlan(volume, 0, datastore=self._files.datastore_of(volume))
            self._plug_existing(vm, as_it_is)

    def grow(self, vm: str, volume: VolumePlan) -> None:
        """See Driver.grow_volume."""
        doing = f"making volume {volume.id} of vm {vm} larger"

        def begin(seat: Seat, place: Place) -> Any:
            machine = self._at.machines.need(seat, place, vm)
            disk = self._find(place, devices_of(seat, machine), volume.id)
            if disk is None:
                raise HostFailed(f"volume {volume.id} is not plugged into vm {vm}")
            if disk.capacityInKB >= volume.size_gib * _KIB_PER_GIB:
                return None
            disk.capacityInKB, disk.capacityInBytes = volume.size_gib * _KIB_PER_GIB, volume.size_gib << 30
            hit("agent.before-grow-volume")
            return _reconfigured(machine, [_Change(operation=_Change.Operation.edit, device=disk)])

        self._at.run(doing, begin)
        hit("agent.after-grow-volume")

    def drop(self, volume: str, datastore: str) -> None:
        """See Driver.drop_volume."""
        self._refuse_anothers(volume, "")
        doing = f"removing volume {volume}"

        def begin(seat: Seat, place: Place) -> Any:
            path = self._path(place.on(datastore), volume)
            return seat.content.virtualDiskManager.DeleteVirtualDisk_Task(path, place.datacenter)

        try:
            finish(self._at.session, doing, self._at.call(doing, begin))
        except HostFailed as error:
            if error.extra.get("vsphere") != "FileNotFound":
                raise
        self._files.hold(volume, "")
        hit("agent.after-drop-volume")

    def _plug_existing(self, vm: str, volume: VolumePlan) -> None:
        doing = f"plugging volume {volume.id} into vm {vm}"
        self._at.run(doing, lambda seat, place: self._plug(seat, place, vm, volume, makes=False))

    def _is_plugged(self, vm: str, volume: str) -> bool:
        def looked(seat: Seat, place: Place) -> bool:
            return self._find(place, devices_of(seat, self._at.machines.need(seat, place, vm)), volume) is not None

        return self._at.call(f"looking for volume {volume} in vm {vm}", looked)

    def _prepare(self, seat: Seat, place: Place, vm: str) -> None:
        self._at.machines.need(seat, place, vm)
        self._at.datastore.make_directory(seat, place, FOLDER)

    def _plug(self, seat: Seat, place: Place, vm: str, volume: VolumePlan, makes: bool) -> Any:
        machine = self._at.machines.need(seat, place, vm)
        devices = devices_of(seat, machine)
        if self._find(place, devices, volume.id) is not None:
            return None
        controller, unit = _free_unit(devices)
        backing = _DEVICE.VirtualDisk.FlatVer2BackingInfo(
            fileName=self._path(place.on(volume.datastore), volume.id),
            diskMode=_DEVICE.VirtualDiskOption.DiskMode.independent_persistent,
        )
        disk = _DEVICE.VirtualDisk(
            key=-1,
            controllerKey=controller,
            unitNumber=unit,
            capacityInKB=volume.size_gib * _KIB_PER_GIB,
            backing=backing,
        )
        change = _Change(operation=_Change.Operation.add, device=disk)
        if makes:
            backing.thinProvisioned, backing.uuid = True, volume.id  # what the guest sees as its serial number
            change.fileOperation = _Change.FileOperation.create
        return _reconfigured(machine, [change])

    def _unplug(self, seat: Seat, place: Place, vm: str, volumes: Sequence[str]) -> Any:
        machine = self._at.machines.find(seat, place, vm)
        if machine is None:
            return None
        devices = devices_of(seat, machine)
        disks = [disk for volume in volumes if (disk := self._find(place, devices, volume)) is not None]
        changes = [_Change(operation=_Change.Operation.remove, device=disk) for disk in disks]
        return _reconfigured(machine, changes) if changes else None

    def _find(self, place: Place, devices: Sequence[Any], volume: str) -> Any:
        # Its path is the same on every datastore.
        path = _less_datastore(self._path(place, volume))
        disks = [device for device in devices if isinstance(device, _DEVICE.VirtualDisk)]
        return next((disk for disk in disks if path in map(_less_datastore, files_of(disk.backing))), None)

    def _path(self, place: Place, volume: str) -> str:
        return self._at.datastore.path(place, FOLDER, f"{self._files.volume(volume).stem}.vmdk")

    def _refuse_anothers(self, volume: str, vm: str) -> None:
        holder = self._files.holder(volume)
        if holder and holder != vm and self._at.find(holder) is not None:
            raise HostFailed(f"volume {volume} is plugged into vm {holder}")


def _reconfigured(machine: Machine, changes: list[Any]) -> Any:
    return machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=changes))


def files_of(backing: Any) -> Iterator[str]:
    """The file of a disk or a drive, and those below it that snapshots have left."""
    while backing is not None:
        yield getattr(backing, "fileName", "")
        backing = getattr(backing, "parent", None)


def _less_datastore(path: str) -> str:
    return path.partition("] ")[2]


def _free_unit(devices: Sequence[Any]) -> tuple[int, int]:
    """(controller, number on it) for one disk more: beside the system's own."""
    for kind, numbers in (
        (_DEVICE.VirtualSCSIController, [scsi_unit(n) for n in range(_UNITS)]),
        (_DEVICE.VirtualAHCIController, list(range(_PORTS))),
    ):
        for controller in (device for device in devices if isinstance(device, kind)):
            taken = {device.unitNumber for device in devices if device.controllerKey == controller.key}
            free = [number for number in numbers if number not in taken]
            if free:
                return controller.key, free[0]
    raise HostFailed("there is no room for another disk on the vm's controllers")
