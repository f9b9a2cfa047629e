# SPDX-License-Identifier: Apache-2.0
"""Volumes of the fake host: changes of its state. Pure; HostFailed where a real hypervisor would refuse."""

from dataclasses import replace

from services.common.contracts.commands import VolumePlan
from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.fake.state import FakeState, FakeVolume


def attached(state: FakeState, vm: str, volume: VolumePlan) -> FakeState:
    """The volume is the vm's, made where it wasn't there."""
    found = state.volumes.get(volume.id, FakeVolume(volume.id, volume.size_gib))
    if found.vm not in ("", vm):
        raise HostFailed(f"volume {volume.id} is plugged into vm {found.vm}")
    return _with(state, replace(found, vm=vm))


def detached(state: FakeState, vm: str, volume: str) -> FakeState:
    """The volume isn't the vm's any more."""
    found = state.volumes.get(volume)
    return state if found is None or found.vm != vm else _with(state, replace(found, vm=""))


def grown(state: FakeState, vm: str, volume: VolumePlan) -> FakeState:
    """The vm's volume is at least as large as this."""
    found = state.volumes.get(volume.id)
    if found is None or found.vm != vm:
        raise HostFailed(f"volume {volume.id} is not plugged into vm {vm}")
    return _with(state, replace(found, size_gib=max(found.size_gib, volume.size_gib)))


def dropped(state: FakeState, volume: str) -> FakeState:
    """The volume is gone."""
    found = state.volumes.get(volume)
    if found is not None and found.vm:
        raise HostFailed(f"volume {volume} is plugged into vm {found.vm}")
    return replace(state, volumes={key: value for key, value in state.volumes.items() if key != volume})


def let_go(state: FakeState, vm: str) -> FakeState:
    """All that was plugged into a vm which is no more."""
    return replace(state, volumes={k: replace(v, vm="" if v.vm == vm else v.vm) for k, v in state.volumes.items()})


def _with(state: FakeState, volume: FakeVolume) -> FakeState:
    return replace(state, volumes={**state.volumes, volume.id: volume})
