# SPDX-License-Identifier: Apache-2.0
"""How many of a cluster's GPUs are taken before the first refusal, asked for 130 % of them: the openb default list.

`python -m tests.bench.scheduler_openb [--json]`. What is measured is the engine under a policy whose rules for GPUs
only this benchmark has, for the platform itself knows none: a filter (they must be there one by one) and two weighers
(strand no GPU without processors; fewest free GPUs first). Nothing leaves; who comes first is drawn by a seed.
"""

from dataclasses import dataclass
from random import Random
from typing import Self

import click
import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.capacity import Capacity
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import Bools, Floats, HostTable, Ints
from services.scheduler.filters.capacity import CapacityFilter
from services.scheduler.policy import Policy, Weighted
from services.scheduler.policy_text import Section
from services.scheduler.rule import Filter, Refusal, Weigher
from services.scheduler.simulation.openb import GPU, read_openb
from services.scheduler.simulation.trace import Trace
from tests.bench.energy_trace import traces_folder
from tests.bench.figures import show

DEMAND = 1.3
SEEDS = (1, 2, 3)
CPU_EACH = 8.0  # processors for each GPU, about what the smaller pods want
MOST = 8  # GPUs in one host


class Devices:
    """Free thousandths of each GPU, a host a row as in the table; -1 where a host has no such GPU."""

    def __init__(self, table: HostTable):
        count = table.disk_gib[: table.size] // GPU
        self.table = table
        self.free: Ints = np.where(np.arange(MOST) < count[:, np.newaxis], GPU, -1)

    def fit(self, request: Request, rows: Ints) -> Bools:
        """Whether each of these rows has the GPUs, one by one."""
        found: Bools = (self.free[rows] >= _each(request)).sum(axis=1) >= _count(request)
        return found

    def take(self, request: Request, row: int) -> None:
        """The fullest GPUs that have room."""
        free = self.free[row]
        room = np.flatnonzero(free >= _each(request))
        free[room[np.argsort(free[room], kind="stable")][: _count(request)]] -= _each(request)

    def left(self, request: Request, rows: Ints) -> Floats:
        """GPUs still free in each row with this pod there."""
        left: Floats = (np.maximum(0, self.free[rows]).sum(axis=1) - request.disk_gib) / GPU
        return left


def _each(request: Request) -> int:
    return int(request.labels["gpu"])


def _count(request: Request) -> int:
    return request.disk_gib // _each(request) if request.disk_gib else 0


def _row_of(devices: Devices, host: HostView) -> Ints:
    return np.array([devices.table.row(host.id)])


@dataclass(frozen=True)
class DeviceFilter(Filter):
    """What is free in several GPUs isn't one."""

    name = "devices"
    devices: Devices

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        section.problem("type", "only a benchmark has this rule", "leave it out")
        return cls(Devices(HostTable()))

    def refuse(self, request: Request, host: HostView) -> Refusal | None:
        return None if self.devices.fit(request, _row_of(self.devices, host))[0] else Refusal("lacks such a GPU")

    def passes(self, request: Request, table: HostTable, rows: Ints) -> Bools:
        return self.devices.fit(request, rows)


@dataclass(frozen=True)
class DeviceWeigher(Weigher):
    """What both weighers share: they look at GPUs as they are taken, so all hosts are weighed at once."""

    devices: Devices

    @classmethod
    def read(cls, section: Section, capacity: Capacity) -> Self:
        section.problem("type", "only a benchmark has this rule", "leave it out")
        return cls(Devices(HostTable()))

    def norm(self, request: Request, host: HostView) -> float:
        return float(self.norms(request, self.devices.table, _row_of(self.devices, host))[0])


@dataclass(frozen=True)
class FewestFree(DeviceWeigher):
    """1 is a host without a free GPU once the pod is there: whole hosts stay free for those that want them."""

    name = "fewest-free"

    def norms(self, request: Request, table: HostTable, rows: Ints) -> Floats:
        return 1.0 / (1.0 + self.devices.left(request, rows))


@dataclass(frozen=True)
class Stranding(DeviceWeigher):
    """1 is a host where the pod leaves no GPU without the processors that somebody who wants it will want too."""

    name = "stranding"

    def norms(self, request: Request, table: HostTable, rows: Ints) -> Floats:
        cpu = (table.vcpus[rows] - table.used_vcpus[rows]) / 1000
        left = self.devices.left(request, rows)
        before = np.maximum(0.0, left + request.disk_gib / GPU - cpu / CPU_EACH)
        after = np.maximum(0.0, left - (cpu - request.vcpus / 1000) / CPU_EACH)
        found: Floats = 1.0 / (1.0 + np.maximum(0.0, after - before))
        return found


def policy_for(devices: Devices) -> Policy:
    """Everything by claims, nothing overcommitted."""
    capacity = Capacity()
    filters = CapacityFilter(capacity), DeviceFilter(devices)
    weighers = Weighted(16.0, Stranding(devices)), Weighted(1.0, FewestFree(devices))
    return Policy("openb", 1, "benchmark", capacity, filters, weighers)


def first_refusal(trace: Trace, seed: int) -> float:
    """The share of all GPUs that is taken when a pod is refused for the first time."""
    table = HostTable(trace.hosts)
    devices, total = Devices(table), int(table.disk_gib.sum())
    engine, taken = Engine(policy_for(devices), table), 0
    for request in demand(trace, total, seed):
        row = engine.decide(request).row
        if row < 0:
            break
        table.claim(row, request)
        devices.take(request, row)
        taken += request.disk_gib
    return taken / total


def demand(trace: Trace, total: int, seed: int) -> list[Request]:
    """The list shuffled, and again from its start, until it asks for DEMAND times the GPUs there are."""
    random, asked, found = Random(seed), 0, list[Request]()
    while asked < DEMAND * total:
        for arrival in random.sample(trace.arrivals, len(trace.arrivals)):
            asked += arrival.request.disk_gib
            found.append(arrival.request)
            if asked >= DEMAND * total:
                break
    return found


def figures() -> tuple[dict[str, float | None], dict[str, str]]:
    """The least of the seeds; null without the data."""
    folder = traces_folder() / "openb"
    if not folder.is_dir():
        return {"openb_first_refusal": None}, {"openb": "no workload data: INNKEEPER_TRACES names its folder"}
    trace = read_openb(folder / "openb_node_list_all_node.csv.gz", folder / "openb_pod_list_default.csv.gz")
    shares = [first_refusal(trace, seed) for seed in SEEDS]
    told = "share of the GPUs before the first refusal, by seed: " + ", ".join(f"{share:.4f}" for share in shares)
    return {"openb_first_refusal": min(shares)}, {"openb": f"{told}; the rules for GPUs are this benchmark's own"}


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Fill a cluster with GPUs until a pod is refused."""
    found, notes = figures()
    show({key: value for key, value in found.items() if value is not None}, as_json, notes)


if __name__ == "__main__":
    main()
