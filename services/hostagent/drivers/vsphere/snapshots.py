# SPDX-License-Identifier: Apache-2.0
"""Snapshots, which vSphere keeps as a tree. Ours are named by their ids; others' are left alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import Machine
from services.hostagent.drivers.vsphere.mark import mark
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat


def take(at: Hypervisor, vm: str, snapshot: str, memory: bool) -> None:
    """Take one, with what is in the vm's memory if asked for; one that is there is left alone."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.need(seat, place, vm)
        if _find(seat, machine, snapshot) is not None:
            return None
        return machine.ref.CreateSnapshot_Task(snapshot, "", memory, False)

    at.run(f"taking snapshot {snapshot} of vm {vm}", begin)


def revert(at: Hypervisor, vm: str, snapshot: str) -> None:
    """Bring the vm back to it; HostFailed when it isn't there."""
    doing = f"reverting vm {vm} to snapshot {snapshot}"
    machine = at.call(doing, lambda seat, place: at.machines.need(seat, place, vm))

    def begin(seat: Seat, _place: Place) -> Any:
        found = _find(seat, machine, snapshot)
        if found is None:
            raise HostFailed(f"{doing}: there is no such snapshot")
        return found.RevertToSnapshot_Task()

    at.run(doing, begin)
    # The mark went back with the rest of the configuration: whose the vm is now has not.
    at.run(
        doing, lambda _seat, _place: machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[mark(machine.owner)]))
    )


def remove(at: Hypervisor, vm: str, snapshot: str) -> None:
    """Remove it; those that were taken after it stay. One that was never there is fine."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.find(seat, place, vm)
        found = _find(seat, machine, snapshot) if machine is not None else None
        return found.RemoveSnapshot_Task(False) if found is not None else None

    at.run(f"removing snapshot {snapshot} of vm {vm}", begin)


def _find(seat: Seat, machine: Machine, snapshot: str) -> Any:
    found = retrieve(seat, of([machine.ref], vim.VirtualMachine, ("snapshot",)))
    nodes = tree_of(found[0].get("snapshot")) if found else ()
    return next((node.snapshot for node in nodes if node.name == snapshot), None)


def tree_of(told: Any) -> Iterator[Any]:
    """Every snapshot of a vm, as its property says."""
    return _all(told.rootSnapshotList) if told is not None else iter(())


def _all(nodes: Sequence[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _all(node.childSnapshotList)
