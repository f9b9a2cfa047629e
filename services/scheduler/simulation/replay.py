# SPDX-License-Identifier: Apache-2.0
"""Replays a trace: each arrival is decided in its turn, hosts sleep, wake and fail to, and watts are added up.

Deterministic for a trace, a policy and a seed, but for the time decisions took.
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np

from services.common.contracts.placement import Request
from services.common.contracts.states import HostState
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.jit import COMPILES
from services.scheduler.engine.table import Floats, HostTable
from services.scheduler.policy import Policy
from services.scheduler.simulation.outcome import Outcome
from services.scheduler.simulation.physics import Physics, boot_kwh, draw
from services.scheduler.simulation.trace import Trace

Decide = Callable[[Request], int]  # the row of the host, -1 for none
Decider = Callable[[HostTable], Decide]
_END, _WOKEN, _FAILED, _REPAIRED = range(4)
_NOWHERE = -1


def by_policy(policy: Policy, compiles: bool = COMPILES) -> Decider:
    """Decides as the scheduler does under this policy; without compiled code the same, but slower."""

    def decider(table: HostTable) -> Decide:
        engine = Engine(policy, table, compiles)
        return lambda request: engine.decide(request).row

    return decider


def replay(trace: Trace, name: str, decider: Decider, physics: Physics | None = None) -> Outcome:
    """What becomes of the trace's arrivals if `decider` places them on its hosts."""
    return _World(trace, decider, physics or Physics()).run(name)


class _World:
    def __init__(self, trace: Trace, decider: Decider, physics: Physics):
        self.trace, self.physics = trace, physics
        self.table = HostTable(trace.hosts)
        self.decide = decider(self.table)
        self.random = Random(physics.seed)
        size, count = self.table.size, len(trace.arrivals)
        self.awake = np.array(self.table.vms[:size] > 0)
        self.waking: dict[int, tuple[bool, float]] = {}  # row: whether it will wake, and when that is known
        self.emptied = np.full(size, -np.inf)
        self.homes = np.full(count, _NOWHERE)
        self.alive = np.zeros(count, np.bool_)
        self.vcpus = np.array([a.request.vcpus for a in trace.arrivals], np.float64)
        self.series = np.array([a.use for a in trace.arrivals], np.int64)
        self.events: list[tuple[float, int, int]] = []  # when, what, and of which arrival or row
        self.kwh = self.host_s = self.hot_s = self.waited_s = 0.0
        self.wakes = self.failed = self.ticks = 0
        self.refused: list[int] = []
        self.used: set[int] = set()
        self.took: list[float] = []
        self.watts: list[float] = []

    def run(self, name: str) -> Outcome:
        for number, arrival in enumerate(self.trace.arrivals):
            self._until(arrival.at)
            self._place(number, arrival.at)
        self._until(self.trace.until)
        return self._outcome(name)

    def _until(self, at: float) -> None:
        """Let happen what happens up to then, samples of the watts in between."""
        at = min(at, self.trace.until)
        while True:
            sample = self.ticks * self.trace.sample_s
            due = self.events[0][0] if self.events else np.inf
            if due <= min(at, sample):
                self._happen(*heapq.heappop(self.events))
            elif sample < at:
                self._sample(sample)
            else:
                return

    def _happen(self, at: float, what: int, which: int) -> None:
        if what == _END:
            self._leave(which, at)
        elif what == _WOKEN:
            self.waking.pop(which)
            self.awake[which], self.emptied[which] = True, at
        elif what == _FAILED:
            self._give_up(which, at)
        else:
            self._set_state(which, HostState.UP)

    def _place(self, number: int, at: float) -> None:
        request = self.trace.arrivals[number].request
        began = time.perf_counter()
        row = self.decide(request)
        self.took.append(time.perf_counter() - began)
        if row < 0:
            self.refused.append(number)
            return
        self.table.claim(row, request)
        self.homes[number], self.alive[number] = row, True
        self.used.add(row)
        ready = self._ready(row, at)
        self.waited_s += ready - at
        heapq.heappush(self.events, (ready + self.trace.arrivals[number].lasts, _END, number))

    def _ready(self, row: int, at: float) -> float:
        """When a vm can run there: at once on a host that is awake."""
        self._fall_asleep(at)
        if self.awake[row]:
            return at
        if row not in self.waking:
            well = self.random.random() >= self.physics.wake_fails
            self.waking[row] = well, at + self.physics.wake_s
            self.wakes += 1
            self.failed += not well
            self.kwh += boot_kwh(self.table, row, self.physics)
            heapq.heappush(self.events, (at + self.physics.wake_s, _WOKEN if well else _FAILED, row))
        return self.waking[row][1]

    def _leave(self, number: int, at: float) -> None:
        row = int(self.homes[number])
        if not self.alive[number]:
            return
        self.alive[number] = False
        self.table.claim(row, self.trace.arrivals[number].request, -1)
        if not self.table.vms[row]:
            self.emptied[row] = at

    def _give_up(self, row: int, at: float) -> None:
        """The host didn't wake: what waited for it is placed anew, and it is out until it was repaired."""
        self.waking.pop(row)
        waiting = np.flatnonzero(self.alive & (self.homes == row))
        for number in waiting:
            self._leave(int(number), at)
        self._set_state(row, HostState.DOWN)
        heapq.heappush(self.events, (at + self.physics.repair_s, _REPAIRED, row))
        self.events = [e for e in self.events if e[1] != _END or self.alive[e[2]]]
        heapq.heapify(self.events)
        for number in waiting:
            self.homes[number] = _NOWHERE
            self._place(int(number), at)

    def _set_state(self, row: int, state: HostState) -> None:
        self.table.put(replace(self.table.view(row), state=state.value), self.table.now)

    def _fall_asleep(self, at: float) -> None:
        empty = self.table.vms[: self.table.size] == 0
        self.awake &= ~(empty & (at - self.emptied > self.physics.sleep_after_s))

    def _sample(self, at: float) -> None:
        self._fall_asleep(at)
        size, use, length = self.table.size, self.trace.use, min(self.trace.sample_s, self.trace.until - at)
        here = np.flatnonzero(self.alive)
        busy = self.vcpus[here] * use[self.series[here], self.ticks % use.shape[1]]
        sums = np.bincount(self.homes[here], weights=busy, minlength=size)[:size]
        loads: Floats = sums / np.maximum(1, self.table.vcpus[:size])
        watts = float(draw(self.table, self.awake, loads, self.physics).sum())
        self.watts.append(watts)
        self.kwh += watts * length / 3.6e6
        self.host_s += float(self.awake.sum()) * length
        self.hot_s += float((self.awake & (loads > self.physics.hot)).sum()) * length
        self.ticks += 1

    def _outcome(self, name: str) -> Outcome:
        ids = [view.id if view else "" for view in self.table.views]
        took = np.array(self.took or [0.0]) * 1e6
        return Outcome(
            name,
            tuple(ids[row] if row >= 0 else "" for row in self.homes),
            refused=len(self.refused),
            first_refusal=self.refused[0] if self.refused else -1,
            hosts_used=len(self.used),
            host_hours=self.host_s / 3600,
            kwh=self.kwh,
            hot_host_hours=self.hot_s / 3600,
            wakes=self.wakes,
            failed_wakes=self.failed,
            waited_s=self.waited_s,
            decision_us=(float(np.median(took)), float(np.percentile(took, 99))),
            watts=tuple(self.watts),
        )
