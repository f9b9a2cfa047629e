# SPDX-License-Identifier: Apache-2.0
"""Decides for one policy over one table of hosts: at once for shapes it has seen before, by a scan for others."""

from collections import OrderedDict
from collections.abc import Collection

from services.common.contracts.placement import Decision, Request
from services.scheduler.choose import choose, pick
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.compact import Compact
from services.scheduler.engine.explain import explained
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.lasting import Lasting
from services.scheduler.engine.nearest import knows
from services.scheduler.engine.plan import Key, plan_of
from services.scheduler.engine.shape import CompiledShape, PlainShape, Shape
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy

SHAPES = 64  # kept; flavors times the wishes people have
MET = 256  # shapes remembered by name: one that comes twice is worth a place among those kept


class Engine:
    """Deterministic: equal to choose() over the table's views, whatever is cached. Not for several threads at once."""

    def __init__(self, policy: Policy, table: HostTable, compiles: bool = COMPILES):
        self.policy = policy
        self.table = table
        self.plan = plan_of(policy, compiles)
        self._forget()

    def decide(self, request: Request, exclude: Collection[str] = ()) -> Compact:
        """The best host that isn't in `exclude` (ids), with its runners-up."""
        return self._told(request, self.shape(request), exclude)

    def explain(self, request: Request) -> Decision:
        """The decision with its whole explanation, equal to what choose() says of all hosts."""
        if not knows(self.plan):
            return choose(request, self.table.hosts(), self.policy, self.table.generation)
        shape = self.shape(request)
        return explained(self._told(request, shape, ()), self.table, shape.refused)

    def shape(self, request: Request) -> Shape:
        """What is known for requests like this one."""
        if not self.plan.cacheable:
            return PlainShape(self.table, self.plan, request, None)
        if len(self.table.present) != self._room:
            self._forget()
        key = self.plan.shape(request)
        found = self._shapes.get(key)
        if found is not None:
            self._shapes.move_to_end(key)
            return found
        found = self._new_shape(request)
        if len(self._shapes) < SHAPES or key in self._met:
            self._keep(key, found)
        self._met[key] = None
        if len(self._met) > MET:
            self._met.popitem(last=False)
        return found

    def _keep(self, key: Key, shape: Shape) -> None:
        if len(self._shapes) == SHAPES:
            self._shapes.popitem(last=False)
        self._shapes[key] = shape

    def _told(self, request: Request, shape: Shape, exclude: Collection[str]) -> Compact:
        policy, table, views = self.policy, self.table, self.table.views
        kept = max(policy.top, policy.tie_break.among_top)
        note = shape.note(kept + len(exclude))
        rows = note[1 : 1 + note[0]].tolist()
        ids = tuple([view.id for row in rows if (view := views[row]) is not None])
        free = [n for n, name in enumerate(ids) if name not in exclude] if exclude else range(len(ids))
        best = free[pick(request, len(free), policy)] if free else -1
        row, host = (rows[best], ids[best]) if free else (-1, "")
        return Compact(request, policy.sha256, table.generation, len(table), row, host, ids, note, self.plan)

    def _new_shape(self, request: Request) -> Shape:
        lasting = self._lasting_for(request)
        if self.plan.compiles:
            return CompiledShape(self.table, self.plan, request, lasting, self._columns)
        return PlainShape(self.table, self.plan, request, lasting)

    def _lasting_for(self, request: Request) -> Lasting:
        wishes = self.plan.wishes(request)
        found = self._lasting.get(wishes)
        if found is None:
            found = Lasting(self.table, self.plan, request)
            if len(self._lasting) == SHAPES:
                self._lasting.popitem(last=False)
            self._lasting[wishes] = found
        self._lasting.move_to_end(wishes)
        return found

    def _forget(self) -> None:
        # The columns were made anew: what points into the old ones is worth nothing.
        self._room = len(self.table.present)
        self._columns = Columns(self.table, self.policy.capacity, len(self.plan.terms))
        self._shapes: OrderedDict[Key, Shape] = OrderedDict()
        self._met: OrderedDict[Key, None] = OrderedDict()
        self._lasting: OrderedDict[Key, Lasting] = OrderedDict()
