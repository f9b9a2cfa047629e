# SPDX-License-Identifier: Apache-2.0
"""The engines of the policies that were asked for lately, over one table of hosts."""

from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.engine.warm import Warmth
from services.scheduler.policy import Policy

KEPT = 8


class Engines:
    """Not for several threads. Until machine code is there, decisions are made by array operations."""

    def __init__(self, table: HostTable, warmth: Warmth):
        self._table = table
        self._warmth = warmth
        self._warm = warmth.there
        self._engines: dict[str, Engine] = {}

    def of(self, policy: Policy) -> Engine:
        """The policy's engine; what it keeps is worth something to whoever asks for the policy again."""
        if self._warm != self._warmth.there:
            self._warm = self._warmth.there
            self._engines.clear()
        engine = self._engines.get(policy.sha256)
        if engine is None:
            if len(self._engines) == KEPT:
                self._engines.pop(next(iter(self._engines)))
            engine = self._engines[policy.sha256] = Engine(policy, self._table, self._warm)
        return engine
