# SPDX-License-Identifier: Apache-2.0
"""Volumes of the fake host: changes of its state. Pure; HostFailed where a real hypervisor would refuse."""

from dataclasses import replace

from services.common.contracts.commands import VolumePlan
from services.common.contracts.datastores import DatastoreKind
from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.datastore_settings import Store, store_called
from services.hostagent.drivers.fake.state import FakeState, FakeVolume

Stores = tuple[Store, ...]


def attached(state: FakeState, vm: str, volume: VolumePlan, stores: Stores) -> FakeState:
    """The volume is the vm's, made where it wasn't there."""
    _kind(stores, volume.datastore)
    found = state.volumes.get(volume.id, FakeVolume(volume.id, volume.size_gib, datastore=volume.datastore))
    if found.vm not in ("", vm):
        raise HostFailed(f"volume {volume.id} is plugged into vm {found.vm}")
    return _with(state, replace(found, vm=vm))


def detached(state: FakeState, vm: str, volume: str) -> FakeState:
    """The volume isn't the vm's any more."""
    found = state.volumes.get(volume)
    return state if found is None or found.vm != vm else _with(state, replace(found, vm=""))


def grown(state: FakeState, vm: str, volume: VolumePlan, stores: Stores) -> FakeState:
    """The vm's volume is at least as large as this."""
    found = state.volumes.get(volume.id)
    if found is None or found.vm != vm:
        raise HostFailed(f"volume {volume.id} is not plugged into vm {vm}")
    if volume.size_gib > found.size_gib and _kind(stores, volume.datastore) == DatastoreKind.LVM:
        raise HostFailed(f"volume {volume.id} lies on LVM, where it can't be made larger")
    return _with(state, replace(found, size_gib=max(found.size_gib, volume.size_gib)))


def dropped(state: FakeState, volume: str, datastore: str, stores: Stores) -> FakeState:
    """The volume is gone from there; one that lies elsewhere isn't meant."""
    _kind(stores, datastore)
    found = state.volumes.get(volume)
    if found is not None and found.vm:
        raise HostFailed(f"volume {volume} is plugged into vm {found.vm}")
    if found is not None and found.datastore != datastore:
        return state
    return replace(state, volumes={key: value for key, value in state.volumes.items() if key != volume})


def let_go(state: FakeState, vm: str) -> FakeState:
    """All that was plugged into a vm which is no more."""
    return replace(state, volumes={k: replace(v, vm="" if v.vm == vm else v.vm) for k, v in state.volumes.items()})


def own_gib(state: FakeState) -> int:
    """What the volumes on the host's own disk add up to."""
    return sum(volume.size_gib for volume in state.volumes.values() if not volume.datastore)


def _kind(stores: Stores, datastore: str) -> str:
    """What kind of datastore that is, "" for the host's own disk; HostFailed for one that the host hasn't got."""
    return store_called(stores, datastore).kind if datastore else ""


def _with(state: FakeState, volume: FakeVolume) -> FakeState:
    return replace(state, volumes={**state.volumes, volume.id: volume})
