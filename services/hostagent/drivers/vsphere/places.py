# SPDX-License-Identifier: Apache-2.0
"""Where our vms live: datacenter, cluster or host, datastore, and a folder and a resource pool of our own.

Found by name once for each sign-in. A name that isn't there is refused with the names that are. Folder and pool carry
the platform in their names, which is their mark; they stay when the last vm goes.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import HostFailed
from services.common.runtime.log import get_logger
from services.hostagent.drivers.datastore_settings import Store
from services.hostagent.drivers.vsphere.balancing import balances
from services.hostagent.drivers.vsphere.collector import Found, below, of, retrieve
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.settings import VsphereSettings

log = get_logger(__name__)
_COMPUTE = ("name", "resourcePool", "datastore")


@dataclass(frozen=True)
class Place:
    """One place of a hypervisor."""

    datacenter: Any
    datacenter_path: str
    compute: Any
    pool: Any
    folder: Any
    datastore: Any
    datastore_name: str
    directory: str  # on the datastore, which other places may share
    view: Any  # of everything in the folder
    balanced: bool  # vCenter itself chooses the host of a new vm
    others: Mapping[str, Found] = field(default_factory=dict)  # datastores for volumes, by our names for them

    def on(self, datastore: str) -> "Place":
        """The same place with another of its datastores instead; itself for ""."""
        if not datastore:
            return self
        if datastore not in self.others:
            there = _listed(list(self.others))
            raise HostFailed(f"there is no datastore {datastore!r} on this host; there are {there}")
        found = self.others[datastore]
        return replace(self, datastore=found.ref, datastore_name=found.get("name"))


class Places:
    """Finds ours, and makes of it what isn't there yet."""

    def __init__(self, settings: VsphereSettings, platform: str, stores: Sequence[Store] = ()) -> None:
        self._settings, self._platform, self._stores = settings, platform, stores
        self._lock = threading.Lock()
        self._known: tuple[int, Place] | None = None
        self._doubted = False

    def get(self, seat: Seat) -> Place:
        """The place, for this sign-in."""
        with self._lock:
            if self._known is None or self._known[0] != seat.number or self._doubted:
                old, self._known = self._known, (seat.number, self._find(seat))
                self._doubted = False
                if old is not None and old[0] == seat.number:
                    _let_go(old[1].view)
            return self._known[1]

    def doubt(self) -> None:
        """Something of it has gone: find it anew at the next call."""
        self._doubted = True

    def _find(self, seat: Seat) -> Place:
        root = seat.content.rootFolder
        wanted = self._settings.datacenter
        centers = below(seat, root, vim.Datacenter, ("name", "vmFolder", "hostFolder"))
        center = _chosen("datacenter", wanted.rsplit("/", 1)[-1], centers)
        computes = below(seat, center.get("hostFolder"), vim.ComputeResource, _COMPUTE)
        compute = _chosen("cluster or host", self._settings.compute, computes)
        stores = retrieve(seat, of(compute.get("datastore", ()), vim.Datastore, ("name",)))
        store = _chosen("datastore", self._settings.datastore, stores)
        others = self._others(stores)
        twice = [name for name, other in others.items() if other.get("name") == store.get("name")]
        if twice:
            raise HostFailed(f"datastores.{twice[0]}: {store.get('name')!r} is where vms lie; its room is theirs")
        folder = self._folder(seat, center.get("vmFolder"), compute.get("name"))
        return Place(
            datacenter=center.ref,
            datacenter_path=wanted or center.get("name"),
            compute=compute.ref,
            pool=self._pool(seat, compute.get("resourcePool")),
            folder=folder,
            datastore=store.ref,
            datastore_name=store.get("name"),
            directory=f"innkeeper-{self._platform}-{compute.ref._moId}",
            view=seat.content.viewManager.CreateContainerView(folder, [vim.VirtualMachine], True),
            balanced=balances(seat, compute.ref),
            others=others,
        )

    def _others(self, there: Sequence[Found]) -> dict[str, Found]:
        """Datastores for volumes. One that goes later, while the agent runs, must not take the place with it."""
        found = {}
        for store in self._stores:
            try:
                found[store.name] = _chosen("datastore", store.place, there)
            except HostFailed as error:
                if self._known is None:
                    raise
                log.warning("a datastore is not there any more", datastore=store.name, reason=error.detail)
        return found

    def _folder(self, seat: Seat, root: Any, compute: str) -> Any:
        if seat.content.about.apiType != "VirtualCenter":
            return root  # a standalone ESXi has no folders
        # One for each place: several agents may share a datacenter, and each lists its own.
        path = [*(self._settings.folder or f"innkeeper-{self._platform}").split("/"), compute]
        for name in path:
            root = _child(seat, root, name) or _new_folder(seat, root, name)
        return root

    def _pool(self, seat: Seat, root: Any) -> Any:
        wanted = self._settings.resource_pool
        found = _child(seat, root, wanted or f"innkeeper-{self._platform}")
        if found is not None:
            return found
        if wanted:
            names = [pool.get("name") for pool in below(seat, root, vim.ResourcePool, ("name",))]
            raise HostFailed(f"there is no resource pool {wanted!r}; there are {_listed(names)}")
        return _new_pool(seat, root, f"innkeeper-{self._platform}")


def _let_go(view: Any) -> None:
    try:
        view.DestroyView()
    except (vim.fault.NotAuthenticated, vmodl.fault.ManagedObjectNotFound):
        return  # it went with its sign-in, or its folder


def _chosen(what: str, name: str, found: Sequence[Found]) -> Found:
    """The one of that name, or the only one."""
    names = [item.get("name") for item in found]
    if not name and len(found) == 1:
        return found[0]
    match = [item for item in found if item.get("name") == name]
    if name and len(match) == 1:
        return match[0]
    problem = f"there is no {what} {name!r}" if name else f"say which {what}"
    raise HostFailed(f"{problem}; there are {_listed(names)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(map(repr, names))) or "none"


def _child(seat: Seat, parent: Any, name: str) -> Any:
    return seat.content.searchIndex.FindChild(parent, name)


def _new_folder(seat: Seat, parent: Any, name: str) -> Any:
    try:
        made = parent.CreateFolder(name)
    except vim.fault.DuplicateName:  # another agent was faster
        return _child(seat, parent, name)
    log.info("made a folder", name=name)
    return made


def _new_pool(seat: Seat, parent: Any, name: str) -> Any:
    shares = vim.SharesInfo(level=vim.SharesInfo.Level.normal, shares=0)
    all_of_it = vim.ResourceAllocationInfo(reservation=0, limit=-1, expandableReservation=True, shares=shares)
    spec = vim.ResourceConfigSpec(cpuAllocation=all_of_it, memoryAllocation=all_of_it)
    try:
        made = parent.CreateResourcePool(name, spec)
    except vim.fault.DuplicateName:
        return _child(seat, parent, name)
    except vmodl.fault.NotSupported:  # a cluster without DRS has only its root pool
        return parent
    log.info("made a resource pool", name=name)
    return made
