# SPDX-License-Identifier: Apache-2.0
"""The fleet and the stream of the scheduler's figures: 12 flavors, 8 kinds of hosts, about 70 % full."""

import random
from dataclasses import replace

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.decide import Engine
from services.scheduler.engine.table import HostTable
from services.scheduler.policy import Policy
from services.scheduler.policy_file import read_policy

FULL = 0.7
_MIX = ((1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (2, 8), (4, 16), (8, 32), (16, 32))
FLAVORS = tuple(Request(f"flavor-{n}", cpu, 1792 * gib, 10 * cpu) for n, (cpu, gib) in enumerate(_MIX))
# vcpus, memory in GiB, watts idle and full: from a small server to a large one, older ones hungrier.
KINDS = (
    (32, 128, 60, 230),
    (32, 192, 90, 310),
    (48, 192, 75, 340),
    (48, 256, 110, 420),
    (64, 256, 95, 400),
    (64, 384, 140, 560),
    (96, 384, 120, 610),
    (128, 512, 160, 720),
)

# The shipped default, with the filters it leaves out.
POLICY = """apiVersion: scheduler/v1
kind: PlacementPolicy
metadata: {name: bench, version: 1}
capacity:
  overcommit: {cpu: 8.0, memory: 1.0, disk: 1.5}
  reserve: {cpu: 0, memory: 512MiB, disk: 2GiB}
filters:
  - {type: state, allow: [up], max_heartbeat_age: 60s}
  - {type: host}
  - {type: hypervisor}
  - {type: zone}
  - {type: traits}
  - {type: capacity}
  - {type: load, max_cpu: 90%, on_missing: pass}
  - {type: expr, name: keep-gpu-hosts-free, when: "'gpu' in host.traits", require: "'gpu' in vm.traits"}
weighers:
  - {type: spread, multiplier: 1.0}
  - {type: cpu, multiplier: 1.0}
  - {type: balance, multiplier: 0.5}
  - {type: energy, multiplier: 0.5}
"""


def policy() -> Policy:
    """The policy all figures are measured with."""
    return read_policy(POLICY)


def fleet(count: int, rng: random.Random) -> list[HostView]:
    """Hosts of all kinds, a few of them down, busy or with a GPU."""
    return [_host(n, rng) for n in range(count)]


def _host(n: int, rng: random.Random) -> HostView:
    vcpus, memory, idle, full = rng.choice(KINDS)
    return HostView(
        id=f"h{n:06d}",
        name=f"h{n}",
        driver=rng.choice(("libvirt", "libvirt", "vsphere")),
        state="up" if rng.random() > 0.02 else "down",
        zone=rng.choice("abc"),
        traits=("gpu", "ssd") if rng.random() < 0.05 else ("ssd",),
        vcpus=vcpus,
        memory_mib=memory * 1024,
        disk_gib=8000,
        cpu_percent=rng.choice((None, rng.uniform(0, 95))),
        watts=None,
        heartbeat_age_s=rng.uniform(0, 20),
        power_curve=tuple(idle + (full - idle) * (p / 10) ** 1.2 for p in range(11)),
    )


class Stream:
    """One vm leaves and one comes a step, on a table that is about 70 % full."""

    def __init__(self, hosts: int, seed: int = 1):
        self.rng = random.Random(seed)
        self.table = HostTable(fleet(hosts, self.rng), now=1000.0)
        self.engine = Engine(policy(), self.table)
        self.placed: list[tuple[int, Request]] = []
        self._fill()

    def _fill(self) -> None:
        goal = FULL * sum(h.memory_mib for h in self.table.hosts() if h.state == "up" and "gpu" not in h.traits)
        used = 0
        while used < goal:
            request = self.rng.choice(FLAVORS)
            row = self.engine.decide(request).row
            self.table.claim(row, request)
            self.placed.append((row, request))
            used += request.memory_mib

    def plan(self, steps: int) -> list[tuple[int, Request]]:
        """Who leaves (a place in `placed`) and what comes, so that the clock measures no dice."""
        return [(self.rng.randrange(len(self.placed)), self.rng.choice(FLAVORS)) for _ in range(steps)]

    def odd(self, number: int) -> Request:
        """A request of a size nobody had before."""
        return replace(FLAVORS[number % 12], id=f"odd-{number}", memory_mib=3000 + 7 * number)
