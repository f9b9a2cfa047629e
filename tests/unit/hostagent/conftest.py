# SPDX-License-Identifier: Apache-2.0
"""An agent on a fake host, without a broker: tokens go in, events come out."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.common.contracts.commands import Command, DeployPlan, Verb
from services.common.contracts.events import AgentEvent, AgentEventKind
from services.common.contracts.ids import derived_id, new_id
from services.common.runtime.signing import sign_command
from services.hostagent.agent import Agent
from services.hostagent.config import AgentConfig
from services.hostagent.drivers import open_driver
from services.hostagent.drivers.base import DriverSettings
from services.hostagent.drivers.vm_files import VmFiles
from services.hostagent.watts import default_curve
from tests.support.hypervisor import PLATFORM
from tests.support.waiting import until

HOST = "host-1"
_KEY = Ed25519PrivateKey.generate()
PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def files(tmp_path: Path) -> VmFiles:
    """An agent's directory."""
    files = VmFiles(tmp_path / "agent")
    files.prepare()
    return files


@dataclass
class Desk:
    """Commands one agent and reads what it publishes."""

    directory: Path
    habits: dict[str, Any]
    events: list[AgentEvent] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    agents: list[Agent] = field(default_factory=list)

    def open(self) -> Agent:
        """A fresh agent on the same directory, as after a restart."""
        config = AgentConfig(
            HOST, PLATFORM, "fake", "amqp://", PUBLIC, self.directory, power_curve=default_curve(4), fake=self.habits
        )
        settings = DriverSettings(self.directory, PLATFORM, power_curve=config.power_curve, fake=self.habits)
        agent = Agent(config, open_driver("fake", settings), self.publish)
        self.agents.append(agent)
        agent.start()
        return agent

    @property
    def agent(self) -> Agent:
        return self.agents[-1]

    def publish(self, event: AgentEvent) -> None:
        with self.lock:
            self.events.append(event)

    def command(self, verb: Verb, vm: str, fence: int = 1, **changes: Any) -> Command:
        fields: dict[str, Any] = {
            "id": derived_id(new_id(), verb),
            "verb": verb,
            "host": HOST,
            "vm": vm,
            "job": new_id(),
            "step": str(verb),
            "fence": fence,
            "platform": PLATFORM,
            "timeout_s": 10.0,
        }
        return Command(**{**fields, **changes})

    def send(self, command: Command) -> None:
        self.agent.commands.take(sign_command(command, PRIVATE))

    def answers(self, command: Command) -> list[AgentEvent]:
        with self.lock:
            found = [e for e in self.events if e.command == command.id]
        return [e for e in found if e.kind is not AgentEventKind.PROGRESS]

    def do(self, verb: Verb, vm: str, fence: int = 1, plan: DeployPlan | None = None, **changes: Any) -> AgentEvent:
        """Send a command and wait for its answer."""
        command = self.command(verb, vm, fence, plan=plan, **changes)
        self.send(command)
        return self.answer(command)

    def answer(self, command: Command, nth: int = 1, timeout: float = 10.0) -> AgentEvent:
        until(lambda: len(self.answers(command)) >= nth, timeout, f"answer {nth} to {command.verb}", pause=0.005)
        return self.answers(command)[nth - 1]

    def heard(self, kind: AgentEventKind, vm: str = "") -> list[AgentEvent]:
        with self.lock:
            return [e for e in self.events if e.kind is kind and (not vm or e.vm == vm)]

    def said(self, vm: str, type_: str) -> list[dict[str, Any]]:
        return [e.data for e in self.heard(AgentEventKind.GUEST, vm) if e.data["type"] == type_]

    def close(self) -> None:
        for agent in self.agents:
            agent.stop()


@pytest.fixture
def desks() -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**habits: Any) -> Desk:
        made.append(Desk(Path(tempfile.mkdtemp(prefix="ik-")), habits))
        made[-1].open()
        return made[-1]

    yield make
    for desk in made:
        desk.close()
        shutil.rmtree(desk.directory, ignore_errors=True)


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    return desks()
