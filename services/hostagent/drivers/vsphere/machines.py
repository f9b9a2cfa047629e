# SPDX-License-Identifier: Apache-2.0
"""Which of vSphere's vms are ours: found by derived UUID, told by the owner mark, never by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from services.common.contracts.errors import HostFailed
from services.common.contracts.vm import hypervisor_uuid
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.drivers.vsphere import questions
from services.hostagent.drivers.vsphere.collector import Found, of, retrieve, within
from services.hostagent.drivers.vsphere.mark import parse_mark, read_mark
from services.hostagent.drivers.vsphere.places import Place
from services.hostagent.drivers.vsphere.questions import Question
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.sweep import sweep

PATHS = ("name", "runtime.powerState", questions.PATH, "config.extraConfig")
PENDING = "innkeeper.sizes"  # an option beside the mark
_POWER = {"poweredOn": Power.ON, "poweredOff": Power.OFF, "suspended": Power.PAUSED}


@dataclass(frozen=True)
class Listed:
    """One of our vms, as it was when we looked."""

    name: str
    power: str
    owner: Owner


@dataclass(frozen=True)
class Machine(Listed):
    """The same, with what it takes to act on it; `pending`: the sizes that wait until it is off."""

    ref: Any
    pending: str = ""
    question: Question | None = None


def devices_of(seat: Seat, machine: Machine) -> list[Any]:
    """The hardware of a vm; none when it has vanished."""
    found = retrieve(seat, of([machine.ref], vim.VirtualMachine, ("config.hardware.device",)))
    return list(found[0].get("config.hardware.device", ())) if found else []


def power_of(state: Any, asked: bool = False) -> str:
    """Our word for vSphere's; a vm that a question was asked about stands still until it is answered."""
    power = _POWER.get(str(state), Power.OFF)
    return Power.PAUSED if asked and power == Power.ON else power


class Machines:
    """Looks them up, and remembers which object is which vm: for those that only tell of a change, and for times when
    a server can't read a vm's configuration (its datastore is away), which doesn't make it somebody else's.
    """

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._owners: dict[str, Owner] = {}  # by vSphere's id of the object

    def find(self, seat: Seat, place: Place, vm: str) -> Machine | None:
        """The vm or None; HostFailed when its UUID belongs to somebody else."""
        uuid = hypervisor_uuid(vm)
        ref = seat.content.searchIndex.FindByUuid(place.datacenter, uuid, True, True)
        if ref is None:
            return None
        found = retrieve(seat, of([ref], vim.VirtualMachine, PATHS))
        if not found:
            return None
        machine = self.ours(found[0])
        if machine is None or machine.owner.vm != vm:
            raise HostFailed(f"the UUID {uuid} on this hypervisor is somebody else's vm {found[0].get('name')!r}")
        return machine

    def need(self, seat: Seat, place: Place, vm: str) -> Machine:
        """As `find`, but HostFailed when it isn't there."""
        machine = self.find(seat, place, vm)
        if machine is None:
            raise HostFailed(f"vm {vm} is not on this host", extra={"power": "absent"})
        return machine

    def all(self, session: Session, seat: Seat, place: Place) -> list[Listed]:
        """Every vm of ours in our folder, in one call."""
        swept = sweep(session, seat, place.view, PATHS)
        if swept is None:
            found = retrieve(seat, within(place.view, vim.VirtualMachine, PATHS))
            return [machine for item in found if (machine := self.ours(item)) is not None]
        return [listed for moid, told in swept if (listed := self._listed(moid, told)) is not None]

    def some(self, seat: Seat, place: Place, vms: Sequence[str]) -> list[Machine]:
        """Those of these vms that are there and ours, wherever they are."""
        search = seat.content.searchIndex
        refs = [search.FindByUuid(place.datacenter, hypervisor_uuid(vm), True, True) for vm in vms]
        found = retrieve(seat, of([ref for ref in refs if ref is not None], vim.VirtualMachine, PATHS))
        machines = [self.ours(item) for item in found]
        return [machine for machine in machines if machine is not None and machine.owner.vm in vms]

    def ours(self, found: Found) -> Machine | None:
        """The vm behind an object; None where it isn't ours."""
        options = found.get("config.extraConfig")
        owner = self._owner(found.ref._moId, options is not None, read_mark(options or ()))
        if owner is None:
            return None
        pending = [str(option.value) for option in options or () if option.key == PENDING]
        question = questions.read(found.get(questions.PATH))
        power = power_of(found.get("runtime.powerState"), question is not None)
        return Machine(found.get("name", ""), power, owner, found.ref, pending[-1] if pending else "", question)

    def _listed(self, moid: str, told: Mapping[str, str]) -> Listed | None:
        text = told.get("config.extraConfig")
        owner = self._owner(moid, text is not None, parse_mark(text or ""))
        if owner is None:
            return None
        power = power_of(told.get("runtime.powerState"), questions.PATH in told)
        return Listed(told.get("name", ""), power, owner)

    def _owner(self, moid: str, readable: bool, owner: Owner | None) -> Owner | None:
        if not readable:
            return self._owners.get(moid)
        if owner is None or owner.platform != self._platform:
            self._owners.pop(moid, None)
            return None
        self._owners[moid] = owner
        return owner

    def vm_of(self, seat: Seat, ref: Any) -> str | None:
        """Which of our vms an object is; one we never met is looked at."""
        self.meet(seat, [ref])
        owner = self._owners.get(ref._moId)
        return owner.vm if owner is not None else None

    def meet(self, seat: Seat, refs: Sequence[Any]) -> None:
        """Look at all of these that we never met, in one call."""
        strangers = [ref for ref in refs if ref._moId not in self._owners]
        for item in retrieve(seat, of(strangers, vim.VirtualMachine, PATHS)):
            self.ours(item)

    def learn(self, ref: Any, owner: Owner) -> None:
        """We have just made it."""
        self._owners[ref._moId] = owner
