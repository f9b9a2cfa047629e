# SPDX-License-Identifier: Apache-2.0
"""Placement policies: look at them; for administrators also store, activate and roll back."""

from innkeeper.models.policy import Activation, Policy, Verdict
from innkeeper.models.shape import load
from innkeeper.resources.collection import Collection, is_id, missing, pages
from innkeeper.transport import Call, Transport


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
