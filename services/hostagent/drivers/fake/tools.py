# SPDX-License-Identifier: Apache-2.0
"""Fake guests with a program of their hypervisor in them, which says of them what VMware Tools say of real ones."""

import time
from collections.abc import Callable, Iterable

from services.common.contracts.tools import ToolsFacts, ToolsLink, cleaned
from services.hostagent.drivers.base import Power, ToolsSeen
from services.hostagent.drivers.fake.faults import ONLY_TOOLS, WRONG_NETWORK, Habits
from services.hostagent.drivers.fake.state import FakeVm

Later = Callable[[float, Callable[[], None]], None]


class FakeTools:
    """Tells of the vms that have it, at each change of their power and at the end of each boot."""

    def __init__(self, habits: Habits, look: Callable[[str], FakeVm | None], later: Later) -> None:
        self._habits, self._look, self._later = habits, look, later
        self._seen: ToolsSeen = _nobody

    def watch(self, seen: ToolsSeen, vms: Iterable[FakeVm]) -> None:
        """See Driver.watch_tools; `vms` are there already."""
        self._seen = seen
        for vm in list(vms):
            self.changed(vm)

    def changed(self, vm: FakeVm) -> None:
        """Its power has changed, or it boots again."""
        if self._habits.has(ONLY_TOOLS, vm.name):
            self._tell(vm.id)
            self._later(self._habits.boot_s, lambda: self._tell(vm.id))

    def _tell(self, vm_id: str) -> None:
        vm = self._look(vm_id)
        if vm is not None:
            self._seen(vm_id, tools_facts(vm, self._habits, time.time()))


def tools_facts(vm: FakeVm, habits: Habits, now: float) -> ToolsFacts:
    """What it says then."""
    if vm.power != Power.ON or now < vm.started_at + habits.boot_s:
        return ToolsFacts(False)
    links = vm.links[1:] if habits.has(WRONG_NETWORK, vm.name) else vm.links
    return cleaned(ToolsFacts(True, vm.name, vm.os, tuple(ToolsLink(link.mac, link.addresses) for link in links)))


def _nobody(_vm: str, _facts: ToolsFacts) -> None:
    pass
