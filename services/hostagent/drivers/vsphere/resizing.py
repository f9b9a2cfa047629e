# SPDX-License-Identifier: Apache-2.0
"""Other sizes for a vm. What a running one doesn't take is noted beside its mark, and given at its next start.

vSphere keeps no second definition for later, as others do.
"""

from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.common.contracts.sizes import Sizes
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.vsphere.collector import of, retrieve
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import PENDING, Machine
from services.hostagent.drivers.vsphere.session import Seat

_PATHS = ("config.hardware.numCPU", "config.hardware.memoryMB")
# What a server says of a guest that takes no more while it runs.
_COLD = frozenset({"CpuHotPlugNotSupported", "MemoryHotPlugNotSupported", "InvalidPowerState", "InvalidState"})


def resize(at: Hypervisor, vm: str, sizes: Sizes) -> Sizes:
    """Give it these, and what it has now. Only more is given to one that runs; the rest waits."""
    doing = f"resizing vm {vm}"
    machine = at.call(doing, lambda seat, place: at.machines.need(seat, place, vm))
    now = at.call(doing, lambda seat, _place: _now(seat, machine))
    got = sizes if machine.power == Power.OFF else now.most(sizes)
    if machine.power == Power.ON and got != now:
        try:
            _give(at, machine, got, sizes)
        except HostFailed as error:
            if error.extra.get("vsphere") not in _COLD:
                raise
            _give(at, machine, now, sizes)
    elif machine.power != Power.OFF:
        _give(at, machine, now, sizes)
    else:
        _give(at, machine, sizes, sizes)
    return at.call(doing, lambda seat, _place: _now(seat, machine))


def settle(at: Hypervisor, machine: Machine) -> None:
    """Give one that is off what has waited for that."""
    words = machine.pending.split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        sizes = Sizes(int(words[0]), int(words[1]))
        _give(at, machine, sizes, sizes)


def waits(sizes: Sizes | None) -> Any:
    """The note of what it shall have later; None: nothing waits."""
    return vim.option.OptionValue(key=PENDING, value=f"{sizes.vcpus} {sizes.memory_mib}" if sizes else "")


def _give(at: Hypervisor, machine: Machine, got: Sizes, asked: Sizes) -> None:
    spec = vim.vm.ConfigSpec(
        numCPUs=got.vcpus, memoryMB=got.memory_mib, extraConfig=[waits(None if got == asked else asked)]
    )
    at.run(f"resizing {machine.name}", lambda _seat, _place: machine.ref.ReconfigVM_Task(spec))


def _now(seat: Seat, machine: Machine) -> Sizes:
    found = retrieve(seat, of([machine.ref], vim.VirtualMachine, _PATHS))
    if not found:
        raise HostFailed(f"{machine.name} is not on this host")
    return Sizes(*(int(found[0].get(path)) for path in _PATHS))
