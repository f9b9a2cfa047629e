# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a fake vm: what of it a guest would notice. Pure."""

from dataclasses import replace

from services.common.contracts.commands import SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.fake.resizing import sizes_now
from services.hostagent.drivers.fake.state import FakeSnapshot, FakeVm

# What of a vm a revert makes what it was.
REVERTED = ("power", "installed", "vcpus", "memory_mib", "live", "started_at", "boots")


def taken(vm: FakeVm, snapshot: SnapshotPlan) -> FakeVm:
    """The vm with this snapshot, which stays as it is where it was taken before."""
    if any(known.id == snapshot.id for known in vm.snapshots):
        return vm
    if snapshot.memory and vm.power not in (Power.ON, Power.PAUSED):
        raise HostFailed(f"{vm.name} is {vm.power}: it has no memory to keep")
    kept = FakeSnapshot(snapshot.id, snapshot.memory, sizes_now(vm), vm.installed)
    return replace(vm, snapshots=(*vm.snapshots, kept))


def reverted(vm: FakeVm, snapshot: SnapshotPlan, now: float) -> FakeVm:
    """The vm as it was; with its memory its guest goes on, else it is off."""
    kept = next((known for known in vm.snapshots if known.id == snapshot.id), None)
    if kept is None:
        raise HostFailed(f"{vm.name} has no snapshot {snapshot.id} on this host")
    sized = replace(vm, vcpus=kept.sizes.vcpus, memory_mib=kept.sizes.memory_mib, live=None)
    changed = replace(sized, power=Power.OFF, installed=kept.installed)
    return replace(changed, power=Power.ON, started_at=now, boots=vm.boots + 1) if kept.memory else changed


def dropped(vm: FakeVm, snapshot: str) -> FakeVm:
    """The vm without it."""
    return replace(vm, snapshots=tuple(known for known in vm.snapshots if known.id != snapshot))
