# SPDX-License-Identifier: Apache-2.0
"""Every host as one row of columns, so that a rule is one operation on arrays.

A row keeps its number while its host is there; a row that became free (`present` false) is used again. What changes
goes into logs of row numbers, from which a cache learns what it has to work out anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isnan
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.common.contracts.placement import FADES, HostView, Request
from services.scheduler.energy import POINTS, resampled
from services.scheduler.engine.changes import Changes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)
Bools = NDArray[np.bool_]
_ROOM = 64  # rows at first; doubled when they are taken
_INTS = ("vcpus", "memory_mib", "disk_gib", "used_vcpus", "used_memory_mib", "used_disk_gib", "vms")
USED, VMS, RANK = 3, 6, 7  # where in a row of `numbers` what is used begins, and the others stand
_WIDTH = 8  # of such a row: a line of the processor's cache
_FLOATS = ("cpu_percent", "cpu_p95_5m", "cpu_p95_1h", "watts", "heartbeat_at", "failures", "price_kwh")
_WORDS = ("driver", "state", "zone", "rack")


class HostTable:
    """The columns. Integers in the units of HostView; floats with NaN for what isn't known; words as codes."""

    vcpus: Ints
    memory_mib: Ints
    disk_gib: Ints
    used_vcpus: Ints
    used_memory_mib: Ints
    used_disk_gib: Ints
    vms: Ints
    driver: Ints
    state: Ints
    zone: Ints
    rack: Ints
    cpu_percent: Floats
    cpu_p95_5m: Floats
    cpu_p95_1h: Floats
    watts: Floats
    heartbeat_at: Floats
    failures: Floats
    price_kwh: Floats
    curve: Floats  # rows x POINTS, watts at 0 to 100 %
    failed: Floats  # rows x FADES
    present: Bools
    numbers: Ints  # rows x _WIDTH: the first seven columns in their order, and `rank`; what is claimed lies together
    rank: Ints  # orders rows as their hosts' ids do; read through `ranks`

    def __init__(self, hosts: Iterable[HostView] = (), now: float = 0.0, generation: int = 0):
        self.now = now  # what ages are told from; whoever decides sets it
        self.size = 0  # rows in use, free ones between them counted
        self.generation = generation
        self.views: list[HostView | None] = []
        self.ids: list[str] = []  # of each row's host, the last one's where the row is free
        self.log = Changes()  # every row that changed
        self.puts = Changes()  # rows of which more changed than claims: masks kept for longer are then stale
        self._unranked = False
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._codes: dict[str, int] = {"": 0}
        self._sets: dict[tuple[str, str], Bools] = {}
        self._members: dict[str, Ints] = {}
        self._make(_ROOM)
        for host in hosts:
            self.put(host, now)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, host_id: str) -> int:
        """The row of that host, or -1."""
        return self._rows.get(host_id, -1)

    def code(self, word: str) -> int:
        """The number that stands for a word in the columns of words; the same word, the same number."""
        return self._codes.setdefault(word, len(self._codes))

    def having(self, kind: str, word: str) -> Bools:
        """Which rows have `word` among their "traits" or "capabilities"."""
        found = self._sets.get((kind, word))
        return np.zeros(self.size, np.bool_) if found is None else found[: self.size]

    def members(self, group: str) -> Ints:
        """How many vms of a group ("label=value") each row holds."""
        found = self._members.get(group)
        return np.zeros(self.size, np.int64) if found is None else found[: self.size]

    def view(self, row: int) -> HostView:
        """The row's host as it is now, claims made since it was put there included; KeyError for a free row."""
        host = self.views[row]
        if host is None:
            raise KeyError(row)
        used: dict[str, Any] = {name: int(getattr(self, name)[row]) for name in _INTS[3:]}
        beat = float(self.heartbeat_at[row])
        age = None if isnan(beat) else max(0.0, self.now - beat)
        members = {group: int(counts[row]) for group, counts in self._members.items() if counts[row]}
        seen = object.__new__(HostView)  # as dataclasses.replace does it, in a fifth of the time: one a decision
        seen.__dict__.update(host.__dict__)
        seen.__dict__.update(used, heartbeat_age_s=age, members=members)
        return seen

    def hosts(self) -> list[HostView]:
        """All hosts as they are now, in the order of their rows."""
        return [self.view(row) for row in range(self.size) if self.present[row]]

    def put(self, host: HostView, now: float) -> int:
        """Add the host, or bring its row up to date; its row. `now` is when its heartbeat's age was told."""
        row = self._rows.get(host.id, -1)
        if row < 0:
            row = self._take_row(host.id)
        self._words(row, host)
        self._numbers(row, host, now)
        self._sets_of(row, host)
        self.puts.add(row)
        self._changed(row)
        return row

    def drop(self, host_id: str) -> None:
        """Forget a host; fine where it isn't known."""
        row = self._rows.pop(host_id, -1)
        if row >= 0:
            self.present[row] = False
            self.views[row] = None
            self._free.append(row)
            self.puts.add(row)
            self._changed(row)

    def claim(self, row: int, request: Request, times: int = 1) -> None:
        """Count a vm that this request describes as being on the row's host; times=-1 takes it away again."""
        cells, at = self._cells, row * _WIDTH + USED
        cells[at] += times * request.vcpus
        cells[at + 1] += times * request.memory_mib
        cells[at + 2] += times * request.disk_gib
        cells[at + 3] += times
        for group in request.memberships if request.labels else ():
            members = self._member(group)
            members[row] = max(0, members[row] + times)  # a host told anew may have forgotten a vm that leaves
        if request.datastores:
            self._hold(row, request, times)
        self._changed(row)

    def _hold(self, row: int, request: Request, times: int) -> None:
        """Rare, and so no column: rules that look at datastores are asked anew."""
        host = self.views[row]
        if host is not None:
            less = {name: host.datastores.get(name, 0) - times * gib for name, gib in request.datastores}
            self.views[row] = replace(host, datastores={**host.datastores, **less})
            self.puts.add(row)

    def ranks(self) -> Ints:
        """For each row where its host's id comes among all ids: ties of scores are broken by it."""
        if self._unranked:
            self.rank[[self._rows[host_id] for host_id in sorted(self._rows)]] = np.arange(len(self._rows))
            self._unranked = False
        return self.rank

    def _changed(self, row: int) -> None:
        self.generation += 1
        self.log.add(row)

    def _take_row(self, host_id: str) -> int:
        if self._free:
            row = self._free.pop()
        else:
            if self.size == len(self.present):
                self._make(2 * self.size)
            row, self.size = self.size, self.size + 1
            self.views.append(None)
            self.ids.append("")
        self._rows[host_id] = row
        self.ids[row] = host_id
        self.present[row] = True
        self._unranked = True
        return row

    def _make(self, room: int) -> None:
        """Columns with this many rows, those there were copied."""
        block = np.zeros((room, _WIDTH), np.int64)
        for name, column in zip((*_INTS, "rank"), block.T, strict=True):
            setattr(self, name, _grown(getattr(self, name, None), room, column))
        self.numbers = block
        self._cells = block.data.cast("B").cast("q")  # one number at a time it is faster than the array
        for name in _WORDS:
            setattr(self, name, _grown(getattr(self, name, None), room, np.zeros(room, np.int64)))
        for name in _FLOATS:
            setattr(self, name, _grown(getattr(self, name, None), room, np.full(room, np.nan)))
        self.present = _grown(getattr(self, "present", None), room, np.zeros(room, np.bool_))
        self.curve = _grown(getattr(self, "curve", None), room, np.full((room, POINTS), np.nan))
        self.failed = _grown(getattr(self, "failed", None), room, np.zeros((room, len(FADES))))
        self._sets = {key: _grown(old, room, np.zeros(room, np.bool_)) for key, old in self._sets.items()}
        self._members = {key: _grown(old, room, np.zeros(room, np.int64)) for key, old in self._members.items()}

    def _words(self, row: int, host: HostView) -> None:
        for name in _WORDS:
            getattr(self, name)[row] = self.code(getattr(host, name))

    def _numbers(self, row: int, host: HostView, now: float) -> None:
        self.views[row] = host
        for name in _INTS:
            getattr(self, name)[row] = getattr(host, name)
        age = host.heartbeat_age_s
        self.heartbeat_at[row] = np.nan if age is None else now - age
        self.cpu_percent[row] = np.nan if host.cpu_percent is None else host.cpu_percent
        self.cpu_p95_5m[row] = np.nan if host.cpu_p95_5m is None else host.cpu_p95_5m
        self.cpu_p95_1h[row] = np.nan if host.cpu_p95_1h is None else host.cpu_p95_1h
        self.watts[row] = np.nan if host.watts is None else host.watts
        self.failures[row] = host.failures
        self.failed[row] = host.failed or 0.0
        self.price_kwh[row] = np.nan if host.price_kwh is None else host.price_kwh
        self.curve[row] = resampled(host.power_curve) if len(host.power_curve) > 1 else np.nan

    def _sets_of(self, row: int, host: HostView) -> None:
        for (kind, word), column in self._sets.items():
            column[row] = word in getattr(host, kind)
        for kind in ("traits", "capabilities"):
            for word in getattr(host, kind):
                if (kind, word) not in self._sets:
                    self._sets[kind, word] = np.zeros(len(self.present), np.bool_)
                    self._sets[kind, word][row] = True
        for counts in self._members.values():
            counts[row] = 0
        for group, count in host.members.items():
            self._member(group)[row] = count

    def _member(self, group: str) -> Ints:
        if group not in self._members:
            self._members[group] = np.zeros(len(self.present), np.int64)
        return self._members[group]


def _grown(old: NDArray[T] | None, room: int, new: NDArray[T]) -> NDArray[T]:
    if old is not None:
        new[: min(len(old), room)] = old[:room]
    return new


def rows_of(table: HostTable, host_ids: Sequence[str]) -> Ints:
    """The rows of these hosts, those that are known."""
    found = (table.row(host_id) for host_id in host_ids)
    return np.fromiter((row for row in found if row >= 0), np.int64)
