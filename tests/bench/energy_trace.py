# SPDX-License-Identifier: Apache-2.0
"""300 hosts of eight real models and ten days of vms for them: workload of the energy figures.

A host's model is, of the systems with one or two processors (in the other fleet: two) published for each of eight
years, the one in the middle by watts per thread. How busy a vm is comes from PlanetLab. Lives are log-normal; the day
has a tide.
"""

import csv
import gzip
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.simulation.planetlab import read_planetlab
from services.scheduler.simulation.trace import Arrival, Trace

YEARS = (2008, 2010, 2012, 2014, 2016, 2017, 2019, 2021)
HOURS, HOSTS, VMS, SPREAD = 240, 300, 63_000, 1.5
MEMORY_PER_THREAD = 4096
ONE_OR_TWO, TWO = (1, 2), (2,)  # processors of a fleet's systems
# vcpus, GiB, how often
FLAVORS = (
    *((1, 1, 12), (1, 2, 14), (1, 4, 8), (2, 2, 10), (2, 4, 12), (2, 8, 8)),
    *((4, 4, 6), (4, 8, 8), (4, 16, 6), (8, 16, 4), (8, 32, 3), (16, 32, 1)),
)
_WATTS = ("ActiveIdle", *(f"{n}0_AvgPower" for n in range(1, 11)))


def traces_folder() -> Path:
    """Where workload data lies that can't be shipped."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get("INNKEEPER_TRACES", beside))


def models(folder: Path, chips: Collection[int] = ONE_OR_TWO) -> list[tuple[int, tuple[float, ...]]]:
    """Threads and power curve of each of the eight models, of the systems with so many processors."""
    with gzip.open(folder / "specpower/specpower_curves.csv.gz", "rt") as file:
        systems = [row for row in csv.DictReader(file) if float(row["CPUChips"]) in chips]
    return [_middle([s for s in systems if float(s["Hardware_Availability_Year"]) == year]) for year in YEARS]


def _middle(systems: list[dict[str, str]]) -> tuple[int, tuple[float, ...]]:
    systems.sort(key=lambda s: (float(s[_WATTS[-1]]) / float(s["CPUThreads"]), s["HW_Model"], s["HW_CPUName"]))
    found = systems[len(systems) // 2]
    return int(float(found["CPUThreads"])), tuple(float(found[key]) for key in _WATTS)


def make_trace(folder: Path, load: float, seed: int = 1, chips: Collection[int] = ONE_OR_TWO) -> Trace:
    """Vms that claim `load` of all vcpus throughout, from the first moment on."""
    kinds = models(folder, chips)
    hosts = tuple(_host(n, *kinds[n % len(kinds)]) for n in range(HOSTS))
    use = read_planetlab(sorted((folder / "planetlab").glob("*.npz"))[0])
    random = np.random.default_rng(seed)
    weights = np.array([f[2] for f in FLAVORS], np.float64)
    weights /= weights.sum()
    mean_vcpus = float(sum(w * f[0] for w, f in zip(weights, FLAVORS, strict=True)))
    there = int(load * sum(h.vcpus for h in hosts) / mean_vcpus)
    starts, lives = _times(random, there)
    kind = random.choice(len(FLAVORS), len(starts), p=weights)
    rows = random.integers(0, len(use), len(starts))
    arrivals = tuple(
        Arrival(float(at), _request(n, int(k)), float(life), int(row))
        for n, (at, life, k, row) in enumerate(zip(starts, lives, kind, rows, strict=True))
    )
    return Trace(f"{load:.0%}", hosts, arrivals, HOURS * 3600.0, use)


def _times(random: np.random.Generator, there: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Starts and lives in seconds: those there at first, whose lives are under way, and those that come."""
    rate = (VMS - there) / HOURS  # an hour
    middle = np.log(there / rate) - SPREAD**2 / 2  # so that as many end as come
    rest = np.exp(random.normal(middle + SPREAD**2, SPREAD, there)) * random.random(there)
    gaps = random.exponential(1.0, 2 * VMS)
    # Time runs faster by day: the arrivals of an even stream, bent.
    even = np.cumsum(gaps) / rate
    hours = np.linspace(0, HOURS, HOURS * 12 + 1)
    passed = np.concatenate([[0], np.cumsum((1 + 0.4 * np.sin(2 * np.pi * hours[:-1] / 24)) / 12)])
    comes = np.interp(even[even < passed[-1]], passed, hours)
    lives = np.exp(random.normal(middle, SPREAD, len(comes)))
    return np.concatenate([np.zeros(there), comes]) * 3600, np.concatenate([rest, lives]) * 3600


def _host(n: int, threads: int, curve: tuple[float, ...]) -> HostView:
    return HostView(
        id=f"h{n:03d}",
        name=f"h{n:03d}",
        driver="fake",
        state="up",
        zone="",
        traits=(),
        vcpus=threads,
        memory_mib=threads * MEMORY_PER_THREAD,
        disk_gib=100_000,
        heartbeat_age_s=0.0,
        power_curve=curve,
    )


def _request(n: int, kind: int) -> Request:
    vcpus, gib, _ = FLAVORS[kind]
    return Request(id=f"vm{n}", vcpus=vcpus, memory_mib=gib * 1024, disk_gib=10)
