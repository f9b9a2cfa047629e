# SPDX-License-Identifier: Apache-2.0
"""One simulated guest: what it has to say, message by message, and the way it says it (the real agent's HTTPS)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

from deploy.local.simulated_guests.answers import Answers
from deploy.local.simulated_guests.vcenter import Machine
from services.common.contracts.commands import NicPlan
from services.common.contracts.guest import INSTALLED
from services.common.contracts.network import NetworkPlan
from services.guestagent.agent import HEARTBEAT_S
from services.guestagent.facts import AGENT
from services.guestagent.ports import HttpsPort
from services.hostagent.drivers.fake.guest import report
from services.hostagent.drivers.fake.seed import FakeLink, links

SYSTEM = "a simulated guest: nothing booted"
# What the installer of `debian-12-image` tells (imagebuilder.masters.guest/install.sh).
PHASES = (("loader up", 1), ("partitioning", 5), ("packages", 40), ("bootloader", 90), (INSTALLED, 100))
_AGAIN_S = 5.0
_REFUSED = (401, 403)  # its vm was deleted, and its token with it


class Guest:
    """Installs once, unless its disk is there already; then boots as often as its machine gets power."""

    def __init__(self, machine: Machine, answers: Answers, lan: NetworkPlan, authority: str) -> None:
        self.name, self.image = machine.name, machine.image
        self.links = links([NicPlan(mac, lan) for mac in machine.macs], answers.network)
        self._hostname = answers.hostname
        self._port = HttpsPort({"url": answers.url, "token": answers.token, "ca": authority})
        self._installed, self._gone = not answers.installs, False
        self._booted, self._since, self._beat_at, self._not_before = "", 0.0, 0.0, 0.0
        self._left: list[dict[str, Any]] = []

    def turn(self, machine: Machine, now: float) -> str:
        """Say the next message if there is one; what is worth a line in the log, "" nothing. OSError when unheard."""
        if machine.power == "poweredOff":
            self._booted = ""
        if not machine.on or self._gone or now < self._not_before:
            return ""
        if machine.booted != self._booted:
            self._booted, self._since = machine.booted, now
            self._left = list(story(self._hostname, self.links, self._installed))
        if not self._left and now < self._beat_at:
            return ""
        message = self._left[0] if self._left else {"type": "heartbeat", "uptime_s": now - self._since}
        try:
            self._port.send(json.dumps(message).encode() + b"\n")
        except HTTPError as error:
            self._gone, self._not_before = error.code in _REFUSED, now + _AGAIN_S
            if not self._gone:
                raise
            return "its token isn't known any more: it falls silent"
        except OSError:
            self._not_before = now + _AGAIN_S
            raise
        self._beat_at = now + HEARTBEAT_S
        self._left = self._left[1:]
        self._installed = self._installed or message.get("name") == INSTALLED
        return "" if message["type"] == "heartbeat" else f"{message['type']} {message.get('name', '')}".strip()


def story(hostname: str, cards: Sequence[FakeLink], installed: bool) -> Iterator[dict[str, Any]]:
    """What is said after a power-on, heartbeats left aside."""
    if not installed:
        for name, percent in PHASES:
            yield {"type": "phase", "name": name, "percent": percent}
    boot_id = str(uuid4())
    yield {"type": "hello", "agent": AGENT, "boot_id": boot_id, "hostname": hostname, "os": SYSTEM}
    yield report(tuple(cards), boot_id, hostname)
