# SPDX-License-Identifier: Apache-2.0
"""The agent as a process, on a real broker, commanded as the control plane does it."""

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deploy.local.servers import RabbitMQ
from deploy.local.servers.libvirtd import Libvirtd
from services.common.contracts.codec import load
from services.common.contracts.commands import Command, DeployPlan, Verb
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import new_id
from services.common.runtime.broker_admin import BrokerAdmin, host_user, rabbit_password_hash
from services.common.runtime.bus import BROKER_AWAY, AgentEvents, Publisher, every_queue
from services.common.runtime.signing import sign_command
from tests.support.hypervisor import PLATFORM, private_libvirtd
from tests.support.process import Process
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
_KEY = Ed25519PrivateKey.generate()
PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Station:
    """One host's agent process and the control plane's side of the broker."""

    rabbit: RabbitMQ
    directory: Path
    host: str = field(default_factory=lambda: new_id())
    events: list[AgentEvent] = field(default_factory=list)

    def open(self, **config: Any) -> None:
        """Enrol the host with an agent's rights, and start its agent."""
        self.admin = BrokerAdmin(self.rabbit.admin_url)
        self.publisher = Publisher(self.rabbit.url)
        self.rights()
        self.ears = AgentEvents(self.rabbit.url, self._hear)
        self.listening = threading.Thread(target=self.ears.run, daemon=True)
        self.listening.start()
        user = f"{host_user(self.host)}:pw@"
        url = self.rabbit.url.replace(f"{self.rabbit.user}:{self.rabbit.password}@", user)
        fields = {"host_id": self.host, "platform": PLATFORM, "driver": "fake", "broker_url": url}
        fields |= {"command_public_key": PUBLIC, "directory": str(self.directory / "a"), **config}
        (self.directory / "agent.yaml").write_text(yaml.safe_dump(fields))
        env = {**os.environ, "PYTHONPATH": str(ROOT), "INNKEEPER_AGENT_CONFIG": str(self.directory / "agent.yaml")}
        argv = [sys.executable, "-m", "services.hostagent"]
        self.process = Process("agent", argv, env, self.directory / "agent.log")
        self.start()

    def rights(self) -> None:
        """Queues and the agent's user, as after a wipe too."""
        for queue in every_queue([self.host]):
            self.publisher.declare(queue)
        self.admin.ensure_host(self.host, rabbit_password_hash("pw"))

    def start(self, **env: str) -> None:
        """Start the agent and wait for its hello."""
        known = len(self.heard(AgentEventKind.HELLO))
        self.process.start(**env)
        until(lambda: len(self.heard(AgentEventKind.HELLO)) > known, 20, f"hello\n{self.process.tail()}")

    def command(self, verb: Verb, vm: str, fence: int = 1, plan: DeployPlan | None = None) -> Command:
        job = new_id()
        return Command(f"{job}/{verb}/{fence}", verb, self.host, vm, job, str(verb), fence, PLATFORM, 30.0, plan)

    def send(self, command: Command) -> None:
        try:
            self.publisher.command(self.host, sign_command(command, PRIVATE))
        except BROKER_AWAY:
            return  # it is sent again

    def answer(self, command: Command, timeout: float = 30.0) -> AgentEvent:
        """Its first answer; sent again every 2 s, as the sweeper does."""
        found: list[AgentEvent] = []

        def answered() -> bool:
            found[:] = [e for e in self.events if e.command == command.id and e.kind is not AgentEventKind.PROGRESS]
            return bool(found)

        def resent() -> bool:
            self.send(command)
            try:
                return until(answered, 2.0)
            except AssertionError:
                return False

        until(resent, timeout, f"answer to {command.verb}\n{self.process.tail()}")
        return found[0]

    def do(self, verb: Verb, vm: str, fence: int = 1, plan: DeployPlan | None = None) -> AgentEvent:
        """Command it and wait for the answer."""
        return self.answer(self.command(verb, vm, fence, plan))

    def heard(self, kind: AgentEventKind, vm: str = "") -> list[AgentEvent]:
        return [e for e in list(self.events) if e.kind is kind and (not vm or e.vm == vm)]

    def said(self, vm: str, type_: str) -> list[dict[str, Any]]:
        return [e.data for e in self.heard(AgentEventKind.GUEST, vm) if e.data["type"] == type_]

    def close(self) -> None:
        self.process.kill()
        self.ears.stop()
        self.listening.join(10)  # else it would take the next station's events
        self.publisher.close()
        self.admin.close()

    def _hear(self, batch: list[tuple[str, str]]) -> None:
        for sender, text in batch:
            event = load(AgentEvent, json.loads(text))
            if sender == event.host == self.host:
                self.events.append(event)


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    with private_libvirtd() as server:
        yield server


@pytest.fixture
def station(rabbit: RabbitMQ) -> Iterator[Callable[..., Station]]:
    made: list[Station] = []

    def make(**config: Any) -> Station:
        rabbit.start()
        made.append(Station(rabbit, Path(tempfile.mkdtemp(prefix="ik-"))))
        made[-1].open(**config)
        return made[-1]

    yield make
    for station in made:
        station.close()
        shutil.rmtree(station.directory, ignore_errors=True)
