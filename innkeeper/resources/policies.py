# SPDX-License-Identifier: Apache-2.0
"""Placement policies: look at them; for administrators also store, activate and roll back."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.policy import Activation, Policy, Verdict
from innkeeper.models.shape import load
from innkeeper.models.simulation import Room, Simulation
from innkeeper.resources.collection import Collection, is_id, missing, pages
from innkeeper.transport import Call, Transport

SLOW_S = 90.0  # the server gives up before


class Policies(Collection[Policy]):
    """/v1/policies"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/policies", Policy)

    def find(self, name_or_id: str) -> Policy:
        """The version "mine@3" names; of "mine" the active one, else the newest; or that of an id. Raises NotFound."""
        if is_id(name_or_id):
            return self.get(name_or_id)
        name, _, version = name_or_id.partition("@")
        found = [p for p in self.list(name=name) if not version or str(p.version) == version]
        if not found:
            raise missing(Policy, name_or_id)
        return self.get(max(found, key=lambda p: (p.active, p.version)).id)

    def validate(self, text: str) -> Verdict:
        """Whether the scheduler could use this text, and what is wrong in it; nothing is stored."""
        return load(Verdict, self._transport.json(Call("POST", f"{self._path}:validate", json={"text": text})))

    def push(self, text: str) -> Policy:
        """Store a version; it decides nothing yet. Raises Invalid, or Conflict where its number is taken."""
        return load(Policy, self._transport.json(Call("POST", self._path, json={"text": text})))

    def activate(self, policy_id: str, canary_percent: float = 100.0) -> Activation:
        """Put a version in force; below 100 for that share of the vms."""
        body = {"canary_percent": canary_percent}
        return load(Activation, self._transport.json(Call("POST", self._at(policy_id, "activate"), json=body)))

    def deactivate(self, policy_id: str) -> Activation:
        """Take away a canary, or what stands beside the policy of everybody else."""
        return load(Activation, self._transport.json(Call("POST", self._at(policy_id, "deactivate"))))

    def rollback(self) -> Activation:
        """Back to what was in force before."""
        return load(Activation, self._transport.json(Call("POST", f"{self._path}:rollback")))

    def history(self) -> list[Activation]:
        """What was in force when, the present first."""
        return [load(Activation, item) for item in pages(self._transport, f"{self._path}:history", {})]

    def simulate(self, asked: Mapping[str, Any]) -> Simulation:
        """What a policy ("text" or "policy") would have done with what is recorded, or with a "trace"."""
        call = Call("POST", f"{self._path}:simulate", json=dict(asked), timeout_s=SLOW_S)
        return load(Simulation, self._transport.json(call))

    def what_fits(self, asked: Mapping[str, Any] | None = None) -> Room:
        """How many more vms of each flavor fit now, under the policy in force or the one named."""
        call = Call("POST", f"{self._path}:what-fits", json=dict(asked or {}), timeout_s=SLOW_S)
        return load(Room, self._transport.json(call))
