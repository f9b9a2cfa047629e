# SPDX-License-Identifier: Apache-2.0
"""All that is ours at a place, read from vSphere anew: vms with our mark wherever they were moved, files, volumes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.common.contracts.survey import Found, FoundKind
from services.hostagent.drivers.vsphere.collector import below, of, retrieve
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import PATHS, Machines
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.plugged_volumes import FOLDER, files_of
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.snapshots import tree_of

_PATHS = (*PATHS, "snapshot", "config.hardware.device", "layoutEx.file")
_EXTENTS = re.compile(r"-(flat|delta|sesparse|ctk|rdmp?)(?=\.vmdk$)")  # what a disk's data lies in, beside its own file


def surveyed(at: Hypervisor) -> list[Found]:
    """Vms with their snapshots, and what lies in our directories of the datastores."""
    place = at.place()
    found, used = at.call("surveying vms", lambda seat, place: _vms(at.machines, seat, place))
    for datastore in ("", *place.others):
        found += _on(at, datastore, used)
    return found


def _on(at: Hypervisor, datastore: str, used: Mapping[str, str]) -> list[Found]:
    """What lies in our directory of one datastore."""
    place = at.place().on(datastore)
    search = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*"])
    root = at.datastore.path(place).rstrip("/")
    try:
        folders = at.run(
            f"surveying datastore {place.datastore_name}",
            lambda seat, place: _browser(seat, place.on(datastore)).SearchDatastoreSubFolders_Task(root, search),
        )
    except HostFailed as error:
        if error.extra.get("vsphere") != "FileNotFound":  # nothing was written yet
            raise
        folders = ()
    return list(_files(root, folders, used))


def _vms(machines: Machines, seat: Seat, place: Place) -> tuple[list[Found], dict[str, str]]:
    """Ours, and which of them uses which file."""
    found: list[Found] = []
    used: dict[str, str] = {}
    for item in below(seat, place.compute, vim.VirtualMachine, _PATHS):
        machine = machines.ours(item)
        if machine is None:
            continue
        vm = machine.owner.vm
        found.append(Found(FoundKind.VM, machine.name, vm))
        found += [Found(FoundKind.SNAPSHOT, node.name, vm, node.name) for node in tree_of(item.get("snapshot"))]
        for device in item.get("config.hardware.device", ()):
            used |= dict.fromkeys(files_of(device.backing), vm)
        # What a tree of snapshots has left on other branches. It may be behind: whose a volume is it doesn't say.
        laid = (file.name for file in item.get("layoutEx.file", ()))
        used |= {name: vm for name in laid if f"/{FOLDER}/" not in name}
    return found, used


def _browser(seat: Seat, place: Place) -> Any:
    return retrieve(seat, of([place.datastore], vim.Datastore, ("browser",)))[0].get("browser")


def _files(root: str, folders: Any, used: Mapping[str, str]) -> Iterator[Found]:
    for folder in folders or ():
        path = folder.folderPath.rstrip("/")
        name = path.removeprefix(root).strip("/")
        if name == FOLDER:
            yield from _volumes(path, folder.file, used)
        elif name and "/" not in name:
            yield Found(FoundKind.DIRECTORY, path, name)
            unused = (file.path for file in folder.file if not _is_used(f"{path}/{file.path}", used))
            yield from (Found(FoundKind.DISK, f"{path}/{file}", name) for file in unused)


def _is_used(path: str, used: Mapping[str, str]) -> bool:
    return path in used or _EXTENTS.sub("", path) in used


def _volumes(path: str, files: Any, used: Mapping[str, str]) -> Iterator[Found]:
    for name in sorted(file.path for file in files):
        if name.endswith(".vmdk") and not name.endswith("-flat.vmdk"):
            yield Found(FoundKind.VOLUME, f"{path}/{name}", used.get(f"{path}/{name}", ""), name.removesuffix(".vmdk"))
