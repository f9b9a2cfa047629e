# SPDX-License-Identifier: Apache-2.0
"""Power changes as libvirt tells them, handed from its event loop to a thread of our own."""

import queue
import threading
from collections.abc import Callable

import libvirt

from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent.drivers.base import Power

log = get_logger(__name__)

_POWER_AFTER = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: Power.ON,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: Power.ON,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: Power.OFF,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: Power.CRASHED,
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: Power.ABSENT,
}
_BAD_STOPS = (libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED)
_POWER_NOW = {
    libvirt.VIR_DOMAIN_RUNNING: Power.ON,
    libvirt.VIR_DOMAIN_BLOCKED: Power.ON,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.ON,  # on its way down
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: Power.OFF,
    libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
}
_BAD_ENDS = (libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, libvirt.VIR_DOMAIN_SHUTOFF_FAILED)


def power_of(state: int, reason: int) -> str:
    """Our word for a domain's state."""
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason in _BAD_ENDS:
        return Power.CRASHED
    return _POWER_NOW.get(state, Power.OFF)


class Lifecycle:
    """Turns domain events into `(uuid, power)`, in order. Whatever `seen` does, libvirt's loop never waits."""

    def __init__(self, seen: Callable[[str, str], None], network_changed: Callable[[str], None]) -> None:
        self._seen = seen
        self._network_changed = network_changed
        self._registered: tuple[libvirt.virConnect, int, int] | None = None
        self._queue: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="libvirt-lifecycle", daemon=True)
        self._thread.start()

    def register(self, conn: libvirt.virConnect) -> None:
        """Ask a new connection for its events, and an earlier one for no more."""
        self._let_go()
        domains = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_domain, None)
        networks = conn.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, self._on_network, None)
        self._registered = (conn, domains, networks)

    def close(self) -> None:
        """Stop listening and handing on. A connection that events are asked of stays open whoever closes it."""
        self._queue.put(None)
        self._let_go()

    def _let_go(self) -> None:
        if self._registered is None:
            return
        conn, domains, networks = self._registered
        self._registered = None
        try:
            conn.domainEventDeregisterAny(domains)
            conn.networkEventDeregisterAny(networks)
        except libvirt.libvirtError as error:
            log.debug("a dead connection has no events to be let go", error=str(error))

    def _on_domain(
        self, _conn: libvirt.virConnect, domain: libvirt.virDomain, event: int, detail: int, _opaque: object
    ) -> None:
        power = _POWER_AFTER.get(event)
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED and detail in _BAD_STOPS:
            power = Power.CRASHED
        if power is not None:
            self._queue.put((domain.UUIDString(), power))

    def _on_network(self, _conn: libvirt.virConnect, network: libvirt.virNetwork, _event: int, *_more: object) -> None:
        self._network_changed(network.name())

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            # The next change is told all the same, and the inventory finds this one.
            with going_on(log, "a power change was not handed on", uuid=item[0], power=item[1]):
                self._seen(*item)
