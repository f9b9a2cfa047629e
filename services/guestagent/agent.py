# SPDX-License-Identifier: Apache-2.0
"""The guest agent's life: say hello, report what is and what changes, answer when asked. Never busy."""

# ruff: noqa: UP006, UP007, UP035, UP045  (Python 3.6 runs this)
import json
import os
import sys
import time
from typing import Any, Dict, List, Optional, Union

from services.guestagent import cloud_init, facts, netlink
from services.guestagent.ports import MAX_LINE, PORT, HttpsPort, SerialPort

CONFIG = "/etc/innkeeper/guest.json"  # {"url", "token", "ca"?}: HTTPS instead of the port
HEARTBEAT_S = 10.0
_SETTLE_S = 0.5  # changes come in bursts: an address, its route, its peer
_LOOK_S = 2.0
_REOPEN_FIRST_S, _REOPEN_LAST_S = 1.0, 30.0


class Agent:
    """One conversation with the host over `port`; ends with OSError when the port breaks."""

    def __init__(self, port: Union[SerialPort, HttpsPort]) -> None:
        self._port = port
        self._changes = netlink.watch()
        self._reported: Optional[Dict[str, Any]] = None
        self._progress: Optional[Dict[str, Any]] = None
        self._report_at: Optional[float] = None
        self._beat_at = 0.0

    def talk(self) -> None:
        """Talk for ever."""
        self._introduce()
        while True:
            now = time.monotonic()
            self._speak_when_due(now)
            for line in self._port.wait([self._changes.fileno()], self._next_at() - time.monotonic()):
                if _is_ask(line):
                    self._introduce()
            if self._changed() and self._report_at is None:
                self._report_at = time.monotonic() + _SETTLE_S

    def close(self) -> None:
        """Stop watching the network."""
        self._changes.close()

    def _speak_when_due(self, now: float) -> None:
        if self._report_at is not None and now >= self._report_at:
            self._report_at = None
            self._report(always=False)
        progress = cloud_init.progress()
        if progress is not None and progress != self._progress:
            self._progress = progress
            self._say(progress)
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_S
            self._say(facts.heartbeat())
            self._say(facts.load())

    def _next_at(self) -> float:
        cloud_init_runs = self._progress is not None and self._progress.get("percent", 100) < 100
        look = time.monotonic() + (_LOOK_S if cloud_init_runs else HEARTBEAT_S)
        return min(self._beat_at, look, look if self._report_at is None else self._report_at)

    def _introduce(self) -> None:
        self._say(facts.hello())
        self._report(always=True)

    def _report(self, always: bool) -> None:
        report = facts.report()
        if always or report != self._reported:
            self._reported = report
            self._say(report)

    def _changed(self) -> bool:
        heard = False
        try:
            while self._changes.recv(1 << 16):
                heard = True
        except BlockingIOError:
            return heard
        except OSError:
            return True  # more changes than the socket held: look at everything
        return heard

    def _say(self, message: Dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        if len(line) <= MAX_LINE:
            self._port.send(line)


def _is_ask(line: bytes) -> bool:
    try:
        message = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "ask"


def open_port(path: str, config: str = CONFIG) -> Union[SerialPort, HttpsPort]:
    """The way to the host: HTTPS when there is a configuration for it, else the virtio-serial port."""
    if os.path.exists(config):
        with open(config, encoding="utf-8") as file:
            return HttpsPort(json.load(file))
    return SerialPort(path)


def main(arguments: List[str]) -> int:
    """Talk to the host until killed; a port that breaks, or isn't there yet, is opened again and again."""
    path = arguments[0] if arguments else PORT
    pause = _REOPEN_FIRST_S
    while True:
        opened_at = time.monotonic()
        try:
            _converse(path)
        except OSError as error:
            sys.stderr.write(f"innkeeper-guest: {error}\n")
        except (ValueError, KeyError) as error:
            sys.stderr.write(f"innkeeper-guest: {CONFIG} is wrong: {error!r}\n")
            return 2
        lasted = time.monotonic() - opened_at
        pause = _REOPEN_FIRST_S if lasted > _REOPEN_LAST_S else min(_REOPEN_LAST_S, pause * 2)
        time.sleep(pause)


def _converse(path: str) -> None:
    port = open_port(path)
    try:
        agent = Agent(port)
        try:
            agent.talk()
        finally:
            agent.close()
    finally:
        port.close()
