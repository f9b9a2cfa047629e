# SPDX-License-Identifier: Apache-2.0
"""Snapshots, which vSphere keeps as a tree. Ours are named by their ids."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import SnapshotPlan
from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.vsphere import powering
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import Machine
from services.hostagent.drivers.vsphere.mark import mark
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat


def take(at: Hypervisor, vm: str, snapshot: SnapshotPlan) -> None:
    """See Driver.take_snapshot. Of one that runs the disks alone may be kept, too."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.need(seat, place, vm)
        if _find(seat, machine, snapshot.id) is not None:
            return None
        if snapshot.memory and machine.power != Power.ON:
            raise HostFailed(f"{machine.name} is {machine.power}: it has no memory to keep")
        return machine.ref.CreateSnapshot_Task(snapshot.id, "", snapshot.memory, False)

    hit("agent.before-snapshot")
    if at.run(f"taking snapshot {snapshot.id} of vm {vm}", begin) is not None:
        _leave_one(at, vm, snapshot.id)
    hit("agent.after-snapshot")


def _leave_one(at: Hypervisor, vm: str, snapshot: str) -> None:
    """What an agent that died had just begun may be there as well by now: the server takes two of one name."""

    def begin(seat: Seat, place: Place) -> Any:
        nodes = _nodes(seat, at.machines.need(seat, place, vm))
        same = [node.snapshot for node in nodes if node.name == snapshot]
        return same[-1].RemoveSnapshot_Task(False) if len(same) > 1 else None

    at.run(f"taking snapshot {snapshot} of vm {vm} once", begin)


def revert(at: Hypervisor, vm: str, snapshot: SnapshotPlan) -> None:
    """See Driver.revert."""
    doing = f"reverting vm {vm}"
    machine = at.call(doing, lambda seat, place: at.machines.need(seat, place, vm))

    def begin(seat: Seat, _place: Place) -> Any:
        found = _find(seat, machine, snapshot.id)
        if found is None:
            raise HostFailed(f"{machine.name} has no snapshot {snapshot.id} on this host")
        return found.RevertToSnapshot_Task()

    hit("agent.before-revert")
    at.run(doing, begin)
    # Its mark went back with the rest of its configuration; whose it is has not changed.
    spec = vim.vm.ConfigSpec(extraConfig=[mark(machine.owner)])
    at.run(doing, lambda _seat, _place: machine.ref.ReconfigVM_Task(spec))
    (powering.start if snapshot.memory else powering.force_stop)(at, vm)
    hit("agent.after-revert")


def drop(at: Hypervisor, vm: str, snapshot: str) -> None:
    """See Driver.drop_snapshot."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.find(seat, place, vm)
        found = _find(seat, machine, snapshot) if machine is not None else None
        return found.RemoveSnapshot_Task(False) if found is not None else None

    at.run(f"removing snapshot {snapshot} of vm {vm}", begin)


def names(at: Hypervisor, vm: str) -> tuple[str, ...]:
    """The names of all it has; none of a vm that isn't there."""

    def listed(seat: Seat, place: Place) -> tuple[str, ...]:
        machine = at.machines.find(seat, place, vm)
        return tuple(node.name for node in _nodes(seat, machine)) if machine is not None else ()

    return at.call(f"listing the snapshots of vm {vm}", listed)


def tree_of(told: Any) -> Iterator[Any]:
    """Every snapshot of a vm, as its property says."""
    return _all(told.rootSnapshotList) if told is not None else iter(())


def _nodes(seat: Seat, machine: Machine) -> Iterator[Any]:
    found = retrieve(seat, of([machine.ref], vim.VirtualMachine, ("snapshot",)))
    return tree_of(found[0].get("snapshot")) if found else iter(())


def _find(seat: Seat, machine: Machine, snapshot: str) -> Any:
    return next((node.snapshot for node in _nodes(seat, machine) if node.name == snapshot), None)


def _all(nodes: Sequence[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _all(node.childSnapshotList)
