# SPDX-License-Identifier: Apache-2.0
"""Hosts: where vms run. Registering one is for administrators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from innkeeper.models.host import ConsolidationPlan, Host, HostPower
from innkeeper.models.job import Job
from innkeeper.models.shape import load, part
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport


@dataclass(frozen=True)
class Registered:
    """A new host, and what its agent needs to speak for it; shown this once, so keep it."""

    host: Host
    agent: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Registered(host={self.host!r}, agent=***)"


class Hosts(Collection[Host]):
    """/v1/hosts"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/hosts", Host)

    def register(self, name: str, driver: str, **more: Any) -> Registered:
        """Make the host known; raises Conflict where the name is taken, Forbidden for those who are no admin."""
        body = self._transport.json(Call("POST", self._path, json={"name": name, "driver": driver, **more}))
        return Registered(load(Host, part(body, "host")), part(body, "agent"))

    def power(self, host_id: str) -> HostPower:
        """What the host draws now, and which vm how much of it; for administrators."""
        return load(HostPower, self._transport.json(Call("GET", self._at(host_id, "power"))))

    def act(self, host_id: str, verb: str) -> Job:
        """Have the host do `verb` (sleep, wake); the job that does it. Raises Conflict where it can't now."""
        return load(Job, part(self._transport.json(Call("POST", self._at(host_id, verb))), "job"))

    def consolidate(self, moves: int = 20, policy: str = "") -> ConsolidationPlan:
        """Which moves would empty thirsty hosts, and the watts they would save; a plan, nothing is moved."""
        asked = {"moves": moves, **({"policy": policy} if policy else {})}
        return load(ConsolidationPlan, self._transport.json(Call("POST", f"{self._path}:consolidate", json=asked)))

    def take_moves(self, moves: int = 20, policy: str = "") -> ConsolidationPlan:
        """Such a plan, handed out to be carried out: its moves count against the hour's budget of the policy."""
        asked = {"moves": moves, **({"policy": policy} if policy else {})}
        return load(ConsolidationPlan, self._transport.json(Call("POST", f"{self._path}:take-moves", json=asked)))
