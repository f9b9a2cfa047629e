# SPDX-License-Identifier: Apache-2.0
"""Another seed in a vm's drive: the new one is written beside the old one, put in, and then the old one goes."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import devices_of
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat

ROLE = "seed"
_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec


def change_seed(at: Hypervisor, vm: str, seed: Path) -> None:
    """See Driver.change_seed."""
    doing, place = f"changing the seed of vm {vm}", at.place()
    had = at.call(doing, lambda seat, place: _image(_drive(at, seat, place, vm)))
    name = image_name(vm, ROLE, _digest(seed))
    path = at.datastore.path(place, name)
    if not had or had == path:
        return
    at.datastore.put_file(place, name, seed)

    def begin(seat: Seat, place: Place) -> Any:
        drive = _drive(at, seat, place, vm)
        drive.backing.fileName, drive.backing.datastore = path, place.datastore
        change = _Change(operation=_Change.Operation.edit, device=drive)
        machine = at.machines.need(seat, place, vm)
        return machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change]))

    at.run(doing, begin)
    at.datastore.remove(place, had)


def image_name(vm: str, role: str, digest: str) -> str:
    """Where a vm's image lies in our directory: another content, another name."""
    return f"{vm}/{role}-{digest[:16]}.iso"


def _digest(seed: Path) -> str:
    try:
        return sha256(seed.read_bytes()).hexdigest()
    except OSError as error:
        raise HostFailed(f"reading {seed.name}: {error}") from error


def _drive(at: Hypervisor, seat: Seat, place: Place, vm: str) -> Any:
    devices = devices_of(seat, at.machines.need(seat, place, vm))
    ours = at.datastore.path(place, vm, f"{ROLE}-")
    drives = (device for device in devices if isinstance(device, _DEVICE.VirtualCdrom))
    return next((drive for drive in drives if _image(drive).startswith(ours)), None)


def _image(drive: Any) -> str:
    return str(getattr(drive.backing, "fileName", "") or "") if drive is not None else ""
