# SPDX-License-Identifier: Apache-2.0
"""Asking the scheduler why: now, or of what it decided earlier."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.placement import Explanation
from innkeeper.models.policy import Decision, Replay
from innkeeper.models.shape import load
from innkeeper.resources.collection import Collection
from innkeeper.transport import Call, Transport


class Placements:
    """/v1/placements"""

    def __init__(self, transport: Transport):
        self._transport = transport

    def explain(self, spec: Mapping[str, Any]) -> Explanation:
        """Where a vm of this spec would go now, and why; nothing is reserved."""
        return load(Explanation, self._transport.json(Call("POST", "/v1/placements:explain", json=dict(spec))))


class Decisions(Collection[Decision]):
    """/v1/decisions"""

    def __init__(self, transport: Transport):
        super().__init__(transport, "/v1/decisions", Decision)

    def latest(self, **of: str) -> Decision | None:
        """The last one of a vm (vm=id) or of a job (job=id), with its explanation."""
        found = list(self.list(**of))
        last = max(found, key=lambda d: d.created_at.timestamp() if d.created_at else 0.0, default=None)
        return self.get(last.id) if last else None

    def replay(self, decision_id: str) -> Replay:
        """Whether it would be decided again, as far as its ground is kept."""
        return load(Replay, self._transport.json(Call("POST", self._at(decision_id, "replay"))))
