# SPDX-License-Identifier: Apache-2.0
"""What the place has and how busy it is: the sum over its hosts, each in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from services.common.contracts.datastores import Datastore, DatastoreKind
from services.hostagent.drivers.base import Usage
from services.hostagent.drivers.datastore_settings import Store
from services.hostagent.drivers.vsphere.collector import Found, of, retrieve, through, within
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat

_HOST = ("summary.hardware", "summary.quickStats", "runtime.inMaintenanceMode", "runtime.connectionState")
_STORE = ("summary.capacity", "summary.freeSpace")
_KIND = ("summary.capacity", "summary.type")
_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Sizes:
    """What the place has. Hosts in maintenance and hosts that are away count nothing."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    cpu_model: str


def sizes(seat: Seat, place: Place) -> Sizes:
    """Processor threads and memory of the hosts that work, and the size of the datastore."""
    hosts, stores = _working(seat, place), retrieve(seat, of([place.datastore], vim.Datastore, _STORE))
    hardware = [host.get("summary.hardware") for host in hosts]
    return Sizes(
        vcpus=sum(h.numCpuThreads for h in hardware),
        memory_mib=sum(h.memorySize for h in hardware) // _MIB,
        disk_gib=sum(store.get("summary.capacity", 0) for store in stores) // _GIB,
        cpu_model=next((str(h.cpuModel) for h in hardware), ""),
    )


def datastores(seat: Seat, place: Place, stores: Sequence[Store]) -> tuple[Datastore, ...]:
    """Those for volumes that are there, in one call."""
    stores = [store for store in stores if store.name in place.others]
    refs = [place.others[store.name].ref for store in stores]
    found = {item.ref._moId: item for item in retrieve(seat, of(refs, vim.Datastore, _KIND))} if refs else {}
    told = [(store, found[place.others[store.name].ref._moId]) for store in stores]
    return tuple(
        Datastore(
            store.name,
            _kind(str(item.get("summary.type", ""))),
            store.size_gib or item.get("summary.capacity", 0) // _GIB,
        )
        for store, item in told
    )


def _kind(vendors: str) -> str:
    return DatastoreKind.NFS if vendors.upper().startswith("NFS") else vendors.lower()


def usage(seat: Seat, place: Place) -> Usage:
    """As vSphere measures it, some twenty seconds old at most. It tells no vm's CPU time."""
    hosts = _working(seat, place)
    found = retrieve(
        seat,
        of([place.datastore], vim.Datastore, _STORE),
        within(place.view, vim.VirtualMachine, ("runtime.powerState",)),
    )
    used = sum(item.get("summary.capacity", 0) - item.get("summary.freeSpace", 0) for item in found)
    return Usage(
        cpu_percent=_cpu_percent(hosts),
        memory_used_mib=sum(host.get("summary.quickStats").overallMemoryUsage or 0 for host in hosts),
        disk_used_gib=round(max(0, used) / _GIB, 3),
        running_vms=sum(str(item.get("runtime.powerState", "poweredOff")) != "poweredOff" for item in found),
    )


def free_bytes(seat: Seat, place: Place) -> int:
    """What the datastore has left."""
    found = retrieve(seat, of([place.datastore], vim.Datastore, ("summary.freeSpace",)))
    return sum(item.get("summary.freeSpace", 0) for item in found)


def host_for_new(seat: Seat, place: Place) -> Any:
    """The host that a new vm begins on: the working one with the most memory left; None where vCenter chooses."""
    if place.balanced:
        return None
    hosts = _working(seat, place)
    return max(hosts, key=_free_mib).ref if hosts else None


def _free_mib(host: Found) -> int:
    return int(
        host.get("summary.hardware").memorySize // _MIB - (host.get("summary.quickStats").overallMemoryUsage or 0)
    )


def _working(seat: Seat, place: Place) -> list[Found]:
    hosts = retrieve(seat, through(place.compute, "host", vim.HostSystem, _HOST))
    return [
        host
        for host in hosts
        if host.get("runtime.connectionState") == "connected" and not host.get("runtime.inMaintenanceMode")
    ]


def _cpu_percent(hosts: Sequence[Found]) -> float:
    there = sum(h.cpuMhz * h.numCpuCores for h in (host.get("summary.hardware") for host in hosts))
    used = sum(host.get("summary.quickStats").overallCpuUsage or 0 for host in hosts)
    return round(min(100.0, 100.0 * used / there), 1) if there else 0.0
