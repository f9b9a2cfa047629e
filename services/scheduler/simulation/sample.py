# SPDX-License-Identifier: Apache-2.0
"""A small cluster and a day on it, on which pictures show what policies do. Made up, and always the same."""

from math import exp
from random import Random

from services.common.contracts.placement import HostView, Request
from services.scheduler.energy import resampled
from services.scheduler.simulation.trace import Arrival, Trace

DAY = 86400.0
VMS = 150
# Name, how many, vcpus, GiB of memory, watts idle and full: old, of middle age, new.
MODELS = (("old", 4, 16, 64, 140.0, 260.0), ("mid", 4, 32, 128, 90.0, 280.0), ("new", 4, 64, 256, 70.0, 330.0))
FLAVORS = ((1, 2), (2, 4), (4, 8), (8, 32))  # vcpus, GiB
_OFTEN = (4, 4, 3, 1)


def sample_trace() -> Trace:
    """Twelve hosts in three racks, three of them licensed; vms come all day, a third for good, a fifth Windows."""
    random, at, arrivals = Random(11), 0.0, []
    for number in range(VMS):
        at += random.expovariate(VMS / (0.8 * DAY))
        vcpus, gib = random.choices(FLAVORS, _OFTEN)[0]
        os = "windows-server" if number % 5 == 0 else "debian-12"
        request = Request(f"vm{number}", vcpus, gib * 1024, 10, os=os, labels={"app": f"a{number % 10}"})
        lasts = DAY if random.random() < 1 / 3 else 3600 * exp(random.gauss(1.0, 0.8))
        arrivals.append(Arrival(at, request, lasts))
    return Trace("sample", tuple(_hosts()), tuple(arrivals), DAY)


def _hosts() -> list[HostView]:
    return [
        HostView(
            id=f"{name}-{n + 1}",
            name=f"{name}-{n + 1}",
            driver="fake",
            state="up",
            zone="a",
            traits=("windows-licence",) if n == 1 else (),
            vcpus=vcpus,
            memory_mib=gib * 1024,
            disk_gib=4000,
            heartbeat_age_s=0.0,
            power_curve=resampled((idle, full)),
            rack=f"r{n % 3 + 1}",
        )
        for name, count, vcpus, gib, idle, full in MODELS
        for n in range(count)
    ]
