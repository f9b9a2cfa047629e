# SPDX-License-Identifier: Apache-2.0
"""Changes of power and of guests as vSphere tells them: one long question after the other, on a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import InnkeeperError
from services.common.contracts.tools import ToolsFacts
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent.drivers.base import Power, PowerSeen, ToolsSeen
from services.hostagent.drivers.vsphere import questions
from services.hostagent.drivers.vsphere.collector import collecting, within
from services.hostagent.drivers.vsphere.guest_tools import GUEST_PATHS, GuestTools
from services.hostagent.drivers.vsphere.machines import Machines, power_of
from services.hostagent.drivers.vsphere.places import Places
from services.hostagent.drivers.vsphere.session import Seat, Session
from services.hostagent.drivers.vsphere.vendor_errors import FAULTS

log = get_logger(__name__)
_Q = vmodl.query.PropertyCollector
_POWER = "runtime.powerState"
_WAIT_S = 4  # a sign-out is noticed when the question is asked again
_AGAIN_S = 1.0


class Watch:
    """Tells of each change once. `resync` is called whenever some may have been missed: after each sign-in."""

    def __init__(self, session: Session, places: Places, machines: Machines, power: Callable[[str], str]) -> None:
        self._session, self._places, self._machines, self._power = session, places, machines, power
        self._stopping = threading.Event()
        self._collector: Any = None
        self._thread: threading.Thread | None = None
        self.tools_seen: ToolsSeen = _nobody

    def start(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, args=(seen, resync), name="vsphere-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at once, though the server is just being asked."""
        self._stopping.set()
        collector = self._collector
        if collector is not None:
            try:
                collector.CancelWaitForUpdates()
            except FAULTS as error:
                log.debug("a question to a dead session", error=str(error))
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, seen: PowerSeen, resync: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                # The inventory finds what is not told here, and the next change is told all the same.
                with going_on(log, "power changes were not handed on", (InnkeeperError,)):
                    self._session.call("watching power", lambda seat: self._watch(seat, seen, resync), waits=True)
            except InnkeeperError as error:
                if not self._stopping.is_set():
                    log.warning("power changes are not told just now", detail=error.detail)
            self._stopping.wait(_AGAIN_S)

    def _watch(self, seat: Seat, seen: PowerSeen, resync: Callable[[], None]) -> None:
        view = self._places.get(seat).view
        with collecting(seat, within(view, vim.VirtualMachine, (_POWER, questions.PATH, *GUEST_PATHS))) as collector:
            self._collector = collector
            version, guests = "", GuestTools()
            while not self._stopping.is_set() and self._places.get(seat).view is view:
                update = collector.WaitForUpdatesEx(version, _Q.WaitOptions(maxWaitSeconds=_WAIT_S))
                if update is None:
                    continue
                items = [item for filtered in update.filterSet for item in filtered.objectSet]
                if not version:
                    resync()  # all there is, as it is now: nothing has changed yet
                    self._machines.meet(seat, [item.obj for item in items])
                else:
                    self._tell(seat, items, seen)
                self._tell_tools(seat, items, guests)
                version = update.version

    def _tell(self, seat: Seat, items: Sequence[Any], seen: PowerSeen) -> None:
        for item in items:
            asked = any(change.name == questions.PATH for change in item.changeSet)
            if item.kind == _Q.ObjectUpdate.Kind.modify and not asked and not any(_powers(item)):
                continue
            vm = self._machines.vm_of(seat, item.obj)
            if vm is None:
                continue
            if asked or item.kind == _Q.ObjectUpdate.Kind.leave:
                seen(vm, self._power(vm))  # it stands still or goes on; is gone, or only moved out of our folder
                continue
            for power in _powers(item):
                if item.kind != _Q.ObjectUpdate.Kind.enter or power != Power.OFF:  # a new vm is off: no change
                    seen(vm, power)

    def _tell_tools(self, seat: Seat, items: Sequence[Any], guests: GuestTools) -> None:
        for item in items:
            if item.kind == _Q.ObjectUpdate.Kind.leave:
                guests.gone(item.obj)
                continue
            facts = guests.changed(item)
            vm = self._machines.vm_of(seat, item.obj) if facts is not None else None
            if facts is not None and vm is not None:
                self.tools_seen(vm, facts)


def _nobody(_vm: str, _facts: ToolsFacts) -> None:
    pass


def _powers(item: Any) -> Iterator[str]:
    return (power_of(change.val) for change in item.changeSet if change.name == _POWER and change.val is not None)
