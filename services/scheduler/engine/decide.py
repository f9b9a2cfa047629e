# SPDX-License-Identifier: Apache-2.0
"""Decides for one policy over one table of hosts: at once for shapes it has seen before, by a scan for others."""

from collections.abc import Collection, Sequence
from typing import Protocol

from services.common.contracts.placement import Decision, Request
from services.scheduler.choose import choose, pick
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.explain import explained
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.nearest import far_plain, knows
from services.scheduler.engine.plan import plan_of
from services.scheduler.engine.shape import PlainShape
from services.scheduler.engine.shapes import Shapes
from services.scheduler.engine.table import HostTable, Ints
from services.scheduler.policy import Policy


class Preferred(Protocol):
    """Hosts that are preferred, where some of the `width` best are among them."""

    @property
    def width(self) -> int: ...

    def among(self, host_ids: Sequence[str]) -> str:
        """The first of these hosts (one at least) that is one of them, or else one that others hardly choose."""


class Engine:
    """Deterministic: equal to choose() over the table's views, whatever is cached. Not for several threads at once."""

    def __init__(self, policy: Policy, table: HostTable, compiles: bool = COMPILES):
        self.policy = policy
        self.table = table
        self.plan = plan_of(policy, compiles)
        self._kept = max(policy.top, policy.tie_break.among_top)
        self._shapes = Shapes(table, self.plan)

    def decide(self, request: Request, exclude: Collection[str] = (), preferred: Preferred | None = None) -> Compact:
        """The best host that isn't in `exclude` (ids), with its runners-up; one of the preferred, where one is near."""
        kept = max(self._kept, preferred.width if preferred else 0) + len(exclude)
        if len(self.table.present) != self._shapes.room:
            self._shapes = Shapes(self.table, self.plan)  # columns were made anew, what points into old ones is stale
        ask = self._shapes.note if self.plan.cacheable else self._shapes.overlaid
        return self._told(request, ask(request, kept), exclude, preferred)

    def explain(self, request: Request) -> Decision:
        """The decision with its whole explanation, equal to what choose() says of all hosts."""
        if not knows(self.plan):
            return choose(request, self.table.hosts(), self.policy, self.table.generation)
        if self.plan.cacheable:
            return explained(self.decide(request), self.table, *self._shapes.far(request))
        shape = PlainShape(self.table, self.plan, request, None)
        compact = self._told(request, shape.note(self._kept), ())
        return explained(compact, self.table, *far_plain(request, self.table, self.plan, shape.refused))

    def _told(
        self, request: Request, note: Ints, exclude: Collection[str], preferred: Preferred | None = None
    ) -> Compact:
        policy, table = self.policy, self.table
        found = int(note[0])
        rows = note[1 : 1 + found].tolist()
        ids = tuple([table.ids[row] for row in rows])
        free = [n for n, name in enumerate(ids) if name not in exclude] if exclude else range(found)
        if preferred is not None and free:
            free = [ids.index(preferred.among([ids[n] for n in free]))]
        best = free[pick(request, len(free), policy)] if free else -1
        row, host = (rows[best], ids[best]) if free else (-1, "")
        return Compact(request, policy.sha256, table.generation, len(table), row, host, ids, note, self.plan)
