# SPDX-License-Identifier: Apache-2.0
"""Events on their way up: one function a kind, so that every event has the same shape."""

import time
from collections.abc import Callable
from typing import Any

from services.common.contracts.codec import dump
from services.common.contracts.commands import Command
from services.common.contracts.errors import InnkeeperError
from services.common.contracts.events import AgentEvent, AgentEventKind, HostFacts, InventoryItem, Telemetry
from services.common.contracts.ids import new_id
from services.common.contracts.tools import ToolsFacts

Publish = Callable[[AgentEvent], None]


class Reports:
    """Publishes facts of one host. May be used from any thread."""

    def __init__(self, host: str, publish: Publish) -> None:
        self._host = host
        self._publish = publish

    def hello(self, facts: HostFacts) -> None:
        """The agent has (re)started, or its host has changed."""
        self._send(AgentEventKind.HELLO, data=dump(facts))

    def heartbeat(self, telemetry: Telemetry) -> None:
        """How the host is now."""
        self._send(AgentEventKind.HEARTBEAT, data=dump(telemetry))

    def inventory(self, items: list[InventoryItem]) -> None:
        """All vms of ours on this host."""
        self._send(AgentEventKind.INVENTORY, data={"vms": dump(items), "complete": True})

    def lifecycle(self, vm: str, power: str, why: str = "") -> None:
        """A vm's power has changed."""
        self._send(AgentEventKind.LIFECYCLE, vm=vm, data={"power": power, **({"why": why} if why else {})})

    def guest(self, vm: str, message: dict[str, Any]) -> None:
        """A checked message of a guest; `vm` is where it was heard, not what it says."""
        self._send(AgentEventKind.GUEST, vm=vm, data=message)

    def tools(self, vm: str, facts: ToolsFacts) -> None:
        """What the hypervisor's own program in the vm's guest says."""
        self._send(AgentEventKind.TOOLS, vm=vm, data=dump(facts))

    def evidence(self, command: Command, found: dict[str, Any]) -> None:
        """What can be seen of the vm, for whoever sent the command."""
        self._answer(AgentEventKind.EVIDENCE, command, found)

    def survey(self, command: Command, found: dict[str, Any]) -> None:
        """All that the host has, for whoever sent the command."""
        self._answer(AgentEventKind.SURVEY, command, found)

    def done(self, command: Command, facts: dict[str, Any]) -> None:
        """The command is done."""
        self._answer(AgentEventKind.DONE, command, facts)

    def failed(self, command: Command, error: InnkeeperError) -> None:
        """The command can't be done, now or ever (`again`)."""
        data = {**error.extra, "code": error.code, "detail": error.detail, "again": error.again}
        self._answer(AgentEventKind.FAILED, command, data)

    def refused(self, command: Command, reason: str) -> None:
        """The command is not one that this host may do any more."""
        self._answer(AgentEventKind.REFUSED, command, {"reason": reason})

    def progress(self, command: Command, percent: float, text: str) -> None:
        """How far a command has come."""
        self._answer(AgentEventKind.PROGRESS, command, {"percent": round(percent, 1), "text": text})

    def _answer(self, kind: AgentEventKind, command: Command, data: dict[str, Any]) -> None:
        self._publish(
            AgentEvent(
                id=new_id(),
                kind=kind,
                host=self._host,
                at=time.time(),
                vm=command.vm,
                job=command.job,
                step=command.step,
                command=command.id,
                fence=command.fence,
                data=data,
            )
        )

    def _send(self, kind: AgentEventKind, data: dict[str, Any], vm: str = "") -> None:
        self._publish(AgentEvent(id=new_id(), kind=kind, host=self._host, at=time.time(), vm=vm, data=data))
