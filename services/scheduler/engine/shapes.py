# SPDX-License-Identifier: Apache-2.0
"""What is kept between decisions: hosts' answers to shapes that came before, and what lasts for wishes alike."""

from collections import OrderedDict

import numpy as np

from services.common.contracts.placement import Request
from services.scheduler.engine import loops
from services.scheduler.engine.bounds import bounded
from services.scheduler.engine.columns import Columns
from services.scheduler.engine.far import far
from services.scheduler.engine.formulas import Hosts
from services.scheduler.engine.lasting import Lasting
from services.scheduler.engine.nearest import Far, far_plain
from services.scheduler.engine.overlay import overlaid
from services.scheduler.engine.plan import Key, Plan
from services.scheduler.engine.scan import Scan
from services.scheduler.engine.shape import CompiledShape, PlainShape, Shape
from services.scheduler.engine.spare import Spare
from services.scheduler.engine.table import HostTable, Ints

SHAPES = 64  # kept; flavors times the wishes people have
MET = 256  # shapes remembered by name: one that comes twice is worth a place among those kept


class Shapes:
    """For one policy over one table, as long as that has the same room."""

    def __init__(self, table: HostTable, plan: Plan):
        self.room = len(table.present)
        self._table, self._plan = table, plan
        self._columns = Columns(table, plan.policy.capacity)
        self._scan = Scan(table, plan, self._columns) if bounded(plan) else None
        self._spare_room = Spare(table, plan, self._columns)
        self._shapes: OrderedDict[Key, Shape] = OrderedDict()
        self._spare: tuple[Key, Shape] | None = None  # made last
        self._met: OrderedDict[Key, None] = OrderedDict()
        self._lasting: OrderedDict[Key, Lasting] = OrderedDict()

    def note(self, request: Request, kept: int) -> Ints:
        """Everything a compact decision tells, see Shape."""
        key = self._plan.shape(request)
        shape = self._shapes.get(key)
        if shape is not None:
            self._shapes.move_to_end(key)
            return shape.note(kept)
        if self._plan.compiles and self._scan is not None and key not in self._met:
            note = self._scan.note(request, self._scan.rows(self._lasting_for(request)), kept)
            if note is not None:
                self._meet(key)
                self._spare = None
                return note
        self._spare = key, self._new(request)
        if len(self._shapes) < SHAPES or key in self._met:
            self._keep(*self._spare)
        self._meet(key)
        return self._spare[1].note(kept)

    def overlaid(self, request: Request, kept: int) -> Ints:
        """The same where the policy has rules that must be asked for each request: nothing but the lasting is kept."""
        note = None
        if self._scan is not None:
            rows = overlaid(request, self._table, self._lasting_for(request), self._spare_room)
            note = self._scan.note(request, rows, kept)
        return PlainShape(self._table, self._plan, request, None).note(kept) if note is None else note

    def far(self, request: Request) -> Far:
        """Of the request that was decided just now: the rows to tell of, see far_plain."""
        key, table, plan = self._plan.shape(request), self._table, self._plan
        shape = self._shapes.get(key)
        if shape is None and self._spare is not None and self._spare[0] == key:
            shape = self._spare[1]
        if not plan.compiles and shape is not None:
            return far_plain(request, table, plan, shape.refused)
        hosts = table.numbers, self._columns.limits, self._columns.watts, self._columns.none
        refused = self._refused(request, hosts) if shape is None else shape.refused
        return far(request, table, plan, refused, hosts)

    def _refused(self, request: Request, hosts: Hosts) -> Ints:
        refused: Ints = np.empty(self.room, np.int64)
        loops.refusals(refused, self._lasting_for(request).bits, self._plan.asked(request), hosts)
        return refused

    def _new(self, request: Request) -> Shape:
        lasting = self._lasting_for(request)
        if self._plan.compiles:
            return CompiledShape(self._table, self._plan, request, lasting, self._columns)
        return PlainShape(self._table, self._plan, request, lasting)

    def _keep(self, key: Key, shape: Shape) -> None:
        if len(self._shapes) == SHAPES:
            self._shapes.popitem(last=False)
        self._shapes[key] = shape

    def _meet(self, key: Key) -> None:
        self._met[key] = None
        if len(self._met) > MET:
            self._met.popitem(last=False)

    def _lasting_for(self, request: Request) -> Lasting:
        wishes = self._plan.wishes(request)
        found = self._lasting.get(wishes)
        if found is None:
            found = Lasting(self._table, self._plan, request)
            if len(self._lasting) == SHAPES:
                self._lasting.popitem(last=False)
            self._lasting[wishes] = found
        self._lasting.move_to_end(wishes)
        return found
