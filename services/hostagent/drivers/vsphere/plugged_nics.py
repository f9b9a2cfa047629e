# SPDX-License-Identifier: Apache-2.0
"""NICs of a vm that is there already, told apart by their MACs. They come and go while it runs, too."""

from functools import partial
from typing import Any

from pyVmomi import vim

from services.common.contracts.commands import NicPlan
from services.common.contracts.devices import E1000E, VMXNET3
from services.common.runtime.failpoints import hit
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machine_spec import new_nic
from services.hostagent.drivers.vsphere.machines import Machine, devices_of
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.session import Seat

_DEVICE = vim.vm.device
_Change = _DEVICE.VirtualDeviceSpec


def attach(at: Hypervisor, vm: str, nic: NicPlan) -> None:
    """Plug a NIC in, of the kind the vm has; one with this MAC is left alone."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.need(seat, place, vm)
        cards = _cards(seat, machine)
        if nic.mac.lower() in cards:
            return None
        backing = at.networks.backing(seat, place, nic.network)
        e1000e = any(isinstance(card, _DEVICE.VirtualE1000e) for card in cards.values())
        return _reconfigured(machine, new_nic(-1, E1000E if e1000e else VMXNET3, nic.mac, backing))

    hit("agent.before-attach-nic")
    at.run(f"plugging NIC {nic.mac} into vm {vm}", begin)
    at.run(f"plugging NIC {nic.mac} into vm {vm} once", partial(_leave_one, at, vm, nic.mac.lower()))
    hit("agent.after-attach-nic")


def _leave_one(at: Hypervisor, vm: str, mac: str, seat: Seat, place: Place) -> Any:
    """What an agent that died had just begun may be there as well by now: the server takes two of one MAC."""
    machine = at.machines.need(seat, place, vm)
    more = [card for card in _all(seat, machine) if str(card.macAddress).lower() == mac][1:]
    return _reconfigured(machine, *(_Change(operation=_Change.Operation.remove, device=card) for card in more))


def detach(at: Hypervisor, vm: str, mac: str) -> None:
    """Take a NIC off; one that is off, or was never there, is fine."""

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.find(seat, place, vm)
        card = _cards(seat, machine).get(mac.lower()) if machine is not None else None
        if machine is None or card is None:
            return None
        return _reconfigured(machine, _Change(operation=_Change.Operation.remove, device=card))

    hit("agent.before-detach-nic")
    at.run(f"taking NIC {mac} off vm {vm}", begin)
    hit("agent.after-detach-nic")


def _cards(seat: Seat, machine: Machine) -> dict[str, Any]:
    return {str(card.macAddress).lower(): card for card in _all(seat, machine)}


def _all(seat: Seat, machine: Machine) -> list[Any]:
    return [device for device in devices_of(seat, machine) if isinstance(device, _DEVICE.VirtualEthernetCard)]


def _reconfigured(machine: Machine, *changes: Any) -> Any:
    return machine.ref.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=list(changes))) if changes else None
