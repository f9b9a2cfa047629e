# SPDX-License-Identifier: Apache-2.0
"""Power, and what else vSphere does to a vm at once. What is as it should be is left alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import HostFailed
from services.common.runtime.failpoints import hit
from services.common.runtime.log import get_logger
from services.hostagent.drivers.base import Power
from services.hostagent.drivers.vsphere import questions
from services.hostagent.drivers.vsphere.hypervisor import Hypervisor
from services.hostagent.drivers.vsphere.machines import Machine
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.resizing import settle
from services.hostagent.drivers.vsphere.session import Seat

log = get_logger(__name__)
_POWER_S = 180.0
_DEAF = (vim.fault.ToolsUnavailable, vim.fault.InvalidPowerState, vim.fault.QuestionPending)


def start(at: Hypervisor, vm: str) -> None:
    """Power on; one that stands still goes on. What has waited for it to be off is given first."""
    doing = f"starting vm {vm}"
    machine = _needed(at, vm, doing)
    if machine.power == Power.OFF and machine.pending:
        settle(at, machine)
    _go_on(at, machine, doing)


def resume(at: Hypervisor, vm: str) -> None:
    """Let it go on; HostFailed where it is off, or where vSphere asks what only a person can answer."""
    doing = f"resuming vm {vm}"
    _go_on(at, _running(at, vm, doing), doing)


def suspend(at: Hypervisor, vm: str) -> None:
    """Let it stand still; HostFailed where it is off."""
    doing = f"suspending vm {vm}"
    machine = _running(at, vm, doing)
    _change(at, machine, doing, Power.PAUSED, lambda: machine.ref.SuspendVM_Task())


def reset(at: Hypervisor, vm: str) -> None:
    """Press the reset button; HostFailed where it doesn't run."""
    doing = f"resetting vm {vm}"

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.need(seat, place, vm)
        if machine.power != Power.ON:
            raise HostFailed(f"{doing}: it is not running")
        return machine.ref.ResetVM_Task()

    at.run(doing, begin, _POWER_S)


def press(at: Hypervisor, vm: str) -> None:
    """Ask the guest by VMware Tools. vSphere has no button: a guest without them doesn't hear it."""

    def ask(seat: Seat, place: Place) -> None:
        machine = at.machines.need(seat, place, vm)
        try:
            machine.ref.ShutdownGuest()
        except _DEAF as error:
            log.info("a guest can't be asked to shut down", vm=vm, reason=type(error).__name__)

    at.call(f"asking the guest of vm {vm} to shut down", ask)


def force_stop(at: Hypervisor, vm: str) -> None:
    """Pull the plug; one that is off or was never there is fine. A question about it is answered by "cancel"."""
    doing = f"stopping vm {vm}"

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.find(seat, place, vm)
        if machine is None or machine.power == Power.OFF:
            return None
        hit("agent.before-destroy")
        # Until it is answered, vSphere takes no other command for the vm.
        key = questions.to_end(machine.question) if machine.question is not None else None
        if machine.question is not None and key is not None:
            machine.ref.AnswerVM(machine.question.id, key)
        return machine.ref.PowerOffVM_Task()

    _unless_there(lambda: at.run(doing, begin, _POWER_S), at, vm, (Power.OFF, Power.ABSENT))
    hit("agent.after-destroy")


def erase(at: Hypervisor, vm: str) -> None:
    """Remove the vm, and our directory of it on the datastore."""
    doing = f"erasing vm {vm}"

    def begin(seat: Seat, place: Place) -> Any:
        machine = at.machines.find(seat, place, vm)
        if machine is None:
            return None
        hit("agent.before-undefine")
        return machine.ref.Destroy_Task()

    _unless_there(lambda: at.run(doing, begin), at, vm, (Power.ABSENT,))
    hit("agent.after-undefine")
    place = at.place()
    at.datastore.remove(place, at.datastore.path(place, vm))


def _needed(at: Hypervisor, vm: str, doing: str) -> Machine:
    return at.call(doing, lambda seat, place: at.machines.need(seat, place, vm))


def _running(at: Hypervisor, vm: str, doing: str) -> Machine:
    machine = _needed(at, vm, doing)
    if machine.power == Power.OFF:
        raise HostFailed(f"{doing}: it is not running")
    return machine


def _go_on(at: Hypervisor, machine: Machine, doing: str) -> None:
    if machine.question is None or machine.power != Power.PAUSED:
        _change(at, machine, doing, Power.ON, lambda: machine.ref.PowerOnVM_Task())
        return
    asked = machine.question
    key = questions.to_go_on(asked)
    if key is None:
        raise HostFailed(f"{doing}: {questions.why(asked)}")
    answer = partial(at.call, doing, lambda _seat, _place: machine.ref.AnswerVM(asked.id, key))
    _unless_there(answer, at, machine.owner.vm, (Power.ON,))


def _change(at: Hypervisor, machine: Machine, doing: str, wanted: str, task: Callable[[], Any]) -> None:
    if machine.power == wanted:
        return
    hit("agent.before-start")
    _unless_there(lambda: at.run(doing, lambda _seat, _place: task(), _POWER_S), at, machine.owner.vm, (wanted,))
    hit("agent.after-start")


def _unless_there(change: Callable[[], object], at: Hypervisor, vm: str, good: tuple[str, ...]) -> None:
    """Make a change; what has become as it should be by somebody else's hand is no failure."""
    try:
        change()
    except HostFailed as error:
        if error.extra.get("vsphere") not in _OVERTAKEN or _power(at, vm) not in good:
            raise


_OVERTAKEN = ("InvalidPowerState", "InvalidArgument", vmodl.fault.ManagedObjectNotFound._wsdlName)


def _power(at: Hypervisor, vm: str) -> str:
    machine = at.find(vm)
    return machine.power if machine is not None else Power.ABSENT
