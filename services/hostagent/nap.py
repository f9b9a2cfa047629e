# SPDX-License-Identifier: Apache-2.0
"""How a host goes to sleep, and how it says it is woken: the part `sleep` of an agent's configuration."""

import re
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from services.common.contracts.errors import HostFailed
from services.common.contracts.waking import CONTROLLERS
from services.common.runtime.log import get_logger

log = get_logger(__name__)
FAREWELL_S = 2.0  # for the report to be with the broker before the network goes
_MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


class Nap:
    """Runs the configured command. `prepare` refuses while the sender can still be told; `begin` does it."""

    def __init__(self, asked: Mapping[str, Any], farewell_s: float = FAREWELL_S) -> None:
        controller = asked.get("controller")
        self.wake: Mapping[str, Any] = {
            **(asked.get("wake_on_lan") or {}),
            **({"controller": controller} if controller else {}),
        }
        self._command: list[str] = list(asked.get("command") or ())
        self._farewell_s = farewell_s
        self._due = threading.Event()
        self._timer: threading.Timer | None = None

    def prepare(self) -> None:
        """Be ready to sleep once that is reported; HostFailed where this host can't."""
        if not self._command:
            raise HostFailed("this host's agent has no sleep.command")
        self._due.set()

    def begin(self) -> None:
        """Sleep, if `prepare` was called since the last time."""
        if self._due.is_set():
            self._due.clear()
            self._timer = threading.Timer(self._farewell_s, self._run)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Don't sleep any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _run(self) -> None:
        log.info("this host goes to sleep")
        try:
            done = subprocess.run(self._command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            log.error("this host does not fall asleep", reason=str(error))
            return
        if done.returncode:  # its heartbeats go on, by which the platform sees that it is awake
            log.error("this host does not fall asleep", status=done.returncode, reason=done.stderr.strip()[:200])


def sleep_problems(asked: Any) -> list[str]:
    """What is wrong with that part; each names its key."""
    if asked is None:
        return []
    if not isinstance(asked, dict):
        return ["sleep: give a mapping"]
    problems = [f"sleep.{key}: unknown key" for key in asked if key not in ("command", "wake_on_lan", "controller")]
    command, wake, controller = asked.get("command"), asked.get("wake_on_lan"), asked.get("controller")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        problems.append("sleep.command: give a list of words, such as [systemctl, suspend]")
    if controller is not None and controller not in CONTROLLERS:
        problems.append(f"sleep.controller: {controller!r} is none of {', '.join(CONTROLLERS)}")
    if wake is None and controller is not None:
        return problems
    return problems + _packet_problems(wake)


def _packet_problems(wake: Any) -> list[str]:
    if not isinstance(wake, dict):
        return ["sleep.wake_on_lan: missing; give mac, and where needed address and port, or a controller"]
    problems = [f"sleep.wake_on_lan.{key}: unknown key" for key in wake if key not in ("mac", "address", "port")]
    if not _MAC.fullmatch(str(wake.get("mac", ""))):
        problems.append(f"sleep.wake_on_lan.mac: {wake.get('mac')!r} is no MAC address")
    if not isinstance(wake.get("address", ""), str):
        problems.append("sleep.wake_on_lan.address: not a text")
    port = wake.get("port", 9)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        problems.append(f"sleep.wake_on_lan.port: {port!r} is no port")
    return problems
