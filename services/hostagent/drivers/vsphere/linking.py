# SPDX-License-Identifier: Apache-2.0
"""Linked clones: a disk that reads another vm's for all that it has not written itself.

vSphere makes such a disk together with its vm and in no other way, so until then a note in the vm's directory says
whose it shall stand on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import ClonePlan
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import unsupported
from services.hostagent.drivers.vsphere.cloning import is_copied, source_of
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import Machine
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.plugged_volumes import files_of
from services.hostagent.drivers.vsphere.session import Seat

_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec
_NOTE = "stands-on"
_GIB = 1 << 20  # in KiB
_PATHS = ("config.hardware.device", "config.files.vmPathName", "snapshot")


def link(at: Hypervisor, directory: Path, clone: ClonePlan, driver: str) -> None:
    """Note whose disk that of the vm with this directory shall stand on; one that has its disk is left alone."""
    vm = directory.name
    if is_copied(at, vm):
        return
    parent = at.call(f"linking vm {vm}", lambda seat, place: source_of(at, seat, place, clone.source))
    if clone.size_gib * _GIB > parent.capacityInKB:
        raise unsupported(driver, "make linked clones with a larger disk")
    directory.mkdir(mode=0o711, exist_ok=True)  # from here on the vm is in our inventory
    hit("agent.before-clone")
    draft = directory / f".{_NOTE}.draft"
    draft.write_text(clone.source, encoding="ascii")
    hit("agent.before-clone-kept")
    draft.rename(directory / _NOTE)
    hit("agent.after-clone")


def source_noted(directory: Path) -> str:
    """The vm whose disk that of this directory's vm shall stand on, "" for none."""
    try:
        return (directory / _NOTE).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def forget(directory: Path) -> None:
    """It has its disk: should that be lost, an empty one is not to take its place."""
    (directory / _NOTE).unlink(missing_ok=True)


def stand_on(spec: Any, path: str, parent: Any) -> None:
    """Have a new vm's disk, which is at `path`, be made over another vm's; as large as that one."""
    for change in spec.deviceChange:
        device: Any = change.device
        if isinstance(change.device, _DEVICE.VirtualDisk) and device.backing.fileName == path:
            change.fileOperation = _Change.FileOperation.create
            device.capacityInKB = parent.capacityInKB
            device.backing.parent = parent.backing
            device.backing.thinProvisioned = parent.backing.thinProvisioned


def let_go(at: Hypervisor, vm: str) -> None:
    """Before a vm is erased: take off the disks that stand on another's, since vSphere removes all of a chain.

    With them their snapshots go, which hold that chain, too. Their files are in the vm's directory, and go with that.
    """
    doing = f"taking disks off vm {vm}"
    machine = at.find(vm)
    if machine is None or not at.call(doing, lambda seat, place: _linked(at, seat, place, machine)[0]):
        return
    at.run(doing, lambda seat, place: _without_snapshots(at, seat, place, machine))

    def begin(seat: Seat, place: Place) -> Any:
        disks, _ = _linked(at, seat, place, machine)
        changes = [_Change(operation=_Change.Operation.remove, device=disk) for disk in disks]
        return machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=changes)) if changes else None

    at.run(doing, begin)


def _without_snapshots(at: Hypervisor, seat: Seat, place: Place, machine: Machine) -> Any:
    return machine.ref.RemoveAllSnapshots_Task() if _linked(at, seat, place, machine)[1] else None


def _linked(at: Hypervisor, seat: Seat, place: Place, machine: Machine) -> tuple[Sequence[Any], bool]:
    """Its disks that stand on a file of another vm's, and whether it has snapshots."""
    found = retrieve(seat, of([machine.ref], vim.VirtualMachine, _PATHS))
    if not found:
        return (), False
    home = str(found[0].get("config.files.vmPathName", "")).rpartition("/")[0]
    own = (f"{home}/", f"{at.datastore.path(place, machine.owner.vm)}/")
    disks = [one for one in found[0].get("config.hardware.device", ()) if isinstance(one, _DEVICE.VirtualDisk)]
    linked = [one for one in disks if any(not path.startswith(own) for path in list(files_of(one.backing))[1:])]
    return linked, found[0].get("snapshot") is not None
