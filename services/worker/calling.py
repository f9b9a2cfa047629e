# SPDX-License-Identifier: Apache-2.0
"""Calls a sleeping host: by one way a try, the next try by the next way, and at once by the next where one fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.common.contracts.errors import HostFailed, InnkeeperError, TryAgain
from services.common.contracts.waking import LAN
from services.common.runtime.controllers.failing import ControllerFailed, ControllerRefused
from services.common.runtime.log import get_logger
from services.worker.controllers import Controllers
from services.worker.magic_packet import send_magic_packet

log = get_logger(__name__)
_MOST_REMEMBERED = 1000
Packet = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Sleeper:
    """A host to be called, for which job, and by which ways, the best first."""

    job: str
    name: str
    wake: Mapping[str, Any]
    ways: tuple[str, ...]


@dataclass
class Caller:
    """A controller that refused isn't asked again for the same job: many lock out who insists."""

    controllers: Controllers
    packet: Packet = send_magic_packet
    _refused: dict[tuple[str, str], str] = field(default_factory=dict)

    def call(self, host: Sleeper, attempt: int) -> str:
        """Call it; what was done and what failed, for people. TryAgain where no way worked now, HostFailed for good."""
        failures = [f"{way}: {why}" for way in host.ways if (why := self._refused.get((host.job, way)))]
        ways = [way for way in host.ways if (host.job, way) not in self._refused]
        for n in range(len(ways)):
            way = ways[(attempt + n) % len(ways)]
            try:
                done = self._by(way, host)
            except (ControllerFailed, InnkeeperError) as error:
                failures.append(f"{way}: {error}")
                self._remember(host, way, error)
            else:
                log.info("a host is called", host=host.name, by=way, told=done)
                return "; ".join([f"called by {way}: {done}", *failures])
        again = any((host.job, way) not in self._refused for way in ways)
        raise (TryAgain if again else HostFailed)(f"host {host.name} can't be called: {'; '.join(failures)}")

    def _by(self, way: str, host: Sleeper) -> str:
        if way != LAN:
            return self.controllers.power_on(host.name, way)
        self.packet(host.wake)
        return "a magic packet was sent"

    def _remember(self, host: Sleeper, way: str, error: Exception) -> None:
        log.warning("a way to wake a host failed", host=host.name, by=way, reason=str(error))
        if isinstance(error, ControllerRefused | HostFailed):
            while len(self._refused) >= _MOST_REMEMBERED:
                self._refused.pop(next(iter(self._refused)))
            self._refused[host.job, way] = str(error)
