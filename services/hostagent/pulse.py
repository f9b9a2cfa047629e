# SPDX-License-Identifier: Apache-2.0
"""What an agent says by itself: hello, telemetry every 5 s, inventory every 10 s and whenever something was missed."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.common.contracts.errors import InnkeeperError
from services.common.contracts.events import InventoryItem, Telemetry
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent import metrics
from services.hostagent.busyness import WINDOWS_S, Busyness
from services.hostagent.cpu_times import CpuTimes
from services.hostagent.drivers.base import Driver, Power
from services.hostagent.ledger import Ledger
from services.hostagent.reports import Reports
from services.hostagent.watts import PowerMeter

log = get_logger(__name__)
HEARTBEAT_S = 5.0
INVENTORY_S = 10.0
_POWERS = (Power.ON, Power.OFF, Power.PAUSED, Power.CRASHED, Power.ABSENT)


@dataclass(frozen=True)
class Sources:
    """Where the facts come from, and where they go. `found` is told each vm's power, `tools` hands on what is new."""

    driver: Driver
    ledger: Ledger
    meter: PowerMeter
    reports: Reports
    found: Callable[[list[InventoryItem]], None]
    tools: Callable[[], None]
    zone: str = ""
    wake: Mapping[str, Any] = field(default_factory=dict)  # how the host is woken


class Pulse:
    """Two threads, one for each rhythm, so that a slow list never delays a heartbeat."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._cpu_times = CpuTimes()
        self._busyness = Busyness()
        self.silent = False
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._list, name="inventory", daemon=True),
        ]

    def start(self) -> None:
        """Say hello, tell the inventory, and go on."""
        self.hello()
        for thread in self._threads:
            thread.start()

    def hello(self) -> None:
        """Tell what the host is."""
        facts = replace(self._sources.driver.facts(), wake=dict(self._sources.wake))
        if self._sources.zone:
            facts = replace(facts, traits=(*facts.traits, f"zone:{self._sources.zone}"))
        self._sources.reports.hello(facts)

    def inventory(self) -> None:
        """Tell all vms there are, now."""
        items = self._sources.driver.inventory()
        items = [replace(item, fence=max(item.fence, self._sources.ledger.highest(item.vm))) for item in items]
        powers = Counter(item.power for item in items)
        for power in _POWERS:
            metrics.VMS.labels(power).set(powers[power])
        self._sources.found(items)
        self._sources.reports.inventory(items)

    def heartbeat(self) -> None:
        """Tell how the host is."""
        usage = self._sources.driver.usage()
        self._busyness.note(usage.cpu_percent)
        short, long = (self._busyness.p95(window) for window in WINDOWS_S)
        watts, source = self._sources.meter.read(usage.cpu_percent)
        metrics.WATTS.labels(source).set(watts)
        metrics.CPU_PERCENT.set(usage.cpu_percent)
        metrics.MEMORY_USED.set(usage.memory_used_mib)
        self._sources.reports.heartbeat(
            Telemetry(
                cpu_percent=usage.cpu_percent,
                memory_used_mib=usage.memory_used_mib,
                disk_used_gib=usage.disk_used_gib,
                watts=watts,
                watts_source=source,
                running_vms=usage.running_vms,
                cpu_p95_5m=short,
                cpu_p95_1h=long,
                vm_cores=self._cpu_times.cores(usage.vm_cpu_s),
            )
        )

    def hurry(self) -> None:
        """Tell the inventory at once: changes may have been missed."""
        self._hurry.set()

    def pause(self, silent: bool) -> None:
        """Say nothing for as long as the host sleeps."""
        self.silent = silent

    def stop(self) -> None:
        """Fall silent."""
        self._stopping.set()
        self._hurry.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5)

    def _beat(self) -> None:
        while not self._stopping.is_set():
            if not self.silent:
                _attempt(self.heartbeat)
                _attempt(self._sources.tools)
            self._stopping.wait(HEARTBEAT_S)

    def _list(self) -> None:
        while not self._stopping.is_set():
            self._hurry.clear()
            if not self.silent:
                _attempt(self.inventory)
            self._hurry.wait(INVENTORY_S)


def _attempt(what: Callable[[], None]) -> None:
    try:
        with going_on(log, "the pulse stumbled", (InnkeeperError,)):
            what()
    except InnkeeperError as error:
        log.warning("the hypervisor does not answer", detail=error.detail)
