# SPDX-License-Identifier: Apache-2.0
"""Asking the scheduler why."""

from collections.abc import Mapping
from typing import Any

from innkeeper.models.placement import Explanation
from innkeeper.models.shape import load
from innkeeper.transport import Call, Transport


class Placements:
    """/v1/placements"""

    def __init__(self, transport: Transport):
        self._transport = transport

    def explain(self, spec: Mapping[str, Any]) -> Explanation:
        """Where a vm of this spec would go now, and why; nothing is reserved."""
        return load(Explanation, self._transport.json(Call("POST", "/v1/placements:explain", json=dict(spec))))
