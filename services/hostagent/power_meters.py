# SPDX-License-Identifier: Apache-2.0
"""Meters outside the operating system: the machine's own controller, asked by Redfish or by IPMI.

Unlike RAPL they see the whole machine. They are slow and fail now and then, so a thread asks them and the heartbeat
takes the last answer while it is fresh.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from services.common.contracts.power_shares import FRESH_S
from services.common.runtime.controllers.failing import ControllerFailed
from services.common.runtime.controllers.ipmitool import HERE, TIMEOUT_S, told
from services.common.runtime.going_on import going_on
from services.common.runtime.log import get_logger
from services.hostagent import metrics

log = get_logger(__name__)
ASK_EVERY_S = 10.0
MOST_WATTS = 100_000.0  # more than any machine draws: a meter that says so has lost its mind


class Meter(Protocol):
    """One way to ask."""

    name: str

    def watts(self) -> float:
        """What the machine draws now; raises ControllerFailed."""


def plausible(value: object, where: str) -> float:
    """The reading as a number of watts; ControllerFailed for what can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControllerFailed(f"{where} says {value!r}, which is no number")
    if not 0 < value <= MOST_WATTS:  # false for NaN, too
        raise ControllerFailed(f"{where} says {value} W, which no machine draws")
    return float(value)


class MeterWatch:
    """Asks a meter from a thread of its own, and keeps its last answer."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic, every_s: float = ASK_EVERY_S) -> None:
        self.name = meter.name
        self._meter = meter
        self._clock = clock
        self._every_s = every_s
        self._last: tuple[float, float] | None = None  # watts, when
        self._failing = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="power-meter", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def fresh(self) -> float | None:
        """The last answer, None where it is too old to be true."""
        last = self._last
        return last[0] if last is not None and self._clock() - last[1] <= FRESH_S else None

    def ask(self) -> None:
        """Ask once; a failure is told when it begins, counted each time, and leaves the last answer to age."""
        try:
            watts = self._meter.watts()
        except ControllerFailed as error:
            metrics.METER_FAILURES.labels(self.name).inc()
            if str(error) != self._failing:
                log.warning("the power meter gives no answer", meter=self.name, reason=str(error))
            self._failing = str(error)
            return
        self._last, self._failing = (watts, self._clock()), ""

    def _run(self) -> None:
        while not self._stopping.is_set():
            with going_on(log, "asking the power meter failed", meter=self.name):
                self.ask()
            self._stopping.wait(self._every_s)


class IpmiMeter:
    """DCMI's power reading through `ipmitool`: of this machine, or of a controller on the network."""

    name = "ipmi"

    def __init__(self, command: tuple[str, ...] = HERE, timeout_s: float = TIMEOUT_S) -> None:
        self._command = (*command, "dcmi", "power", "reading")
        self._timeout_s = timeout_s

    def watts(self) -> float:
        """The line "Instantaneous power reading: 214 Watts"."""
        for line in told(self._command, self._timeout_s).splitlines():
            label, _, value = line.partition(":")
            if label.strip() == "Instantaneous power reading":
                return plausible(_number(value), "ipmitool")
        raise ControllerFailed("ipmitool's answer has no power reading")


def _number(text: str) -> float | str:
    first = text.split()[0] if text.split() else ""
    try:
        return float(first)
    except ValueError:
        return first
