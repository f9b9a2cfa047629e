# SPDX-License-Identifier: Apache-2.0
"""Random events on a table of hosts: what may happen to a fleet, in any order."""

import random
from dataclasses import replace

from services.common.contracts.placement import HostView, Request
from services.scheduler.engine.table import HostTable
from tests.support.placing import CURVE, a_host, a_request

FLAVORS = ((1, 1024, 10), (1, 2048, 20), (2, 4096, 20), (4, 8192, 40), (8, 16384, 80), (2, 16384, 40))


def some_host(rng: random.Random, number: int, now: float) -> HostView:
    """A host, now and then one that lies about itself."""
    return a_host(
        f"h{number}",
        vcpus=rng.choice((0, 8, 16, 32, 64)),
        memory_mib=rng.choice((16384, 65536, 262144)),
        state=rng.choice(("up",) * 9 + ("down", "draining")),
        zone=rng.choice(("", "a", "b")),
        driver=rng.choice(("fake", "libvirt")),
        traits=rng.choice(((), ("ssd",), ("gpu", "ssd"))),
        capabilities=rng.choice((("tpm-2.0",), ("tpm-2.0",), ())),
        used_vcpus=rng.choice((0, 0, 2, 30, -3)),
        vms=rng.choice((0, 0, 1, 2)),
        cpu_percent=rng.choice((None, 0.0, 12.5, 97.0, 250.0)),
        watts=rng.choice((None, 0.0, 180.0)),
        power_curve=rng.choice(((), CURVE, tuple(w * 0.7 for w in CURVE))),
        heartbeat_age_s=rng.choice((None, 0.0, 5.0, 29.0, 31.0, 400.0)),
    )


def some_request(rng: random.Random, number: int) -> Request:
    """One of a few shapes mostly, now and then an odd one."""
    vcpus, memory, disk = rng.choice(FLAVORS)
    request = a_request(id=f"vm-{number}", vcpus=vcpus, memory_mib=memory, disk_gib=disk)
    if rng.random() < 0.3:
        request = replace(request, zone=rng.choice(("a", "b", "nowhere")))
    if rng.random() < 0.2:
        request = replace(request, traits=rng.choice((("ssd",), ("gpu",))), needs=rng.choice(((), ("tpm-2.0",))))
    if rng.random() < 0.05:
        request = replace(request, vcpus=rng.randint(1, 40), disk_gib=rng.randint(1, 600))
    return request


class Fleet:
    """A table to which things happen; the same seed, the same things."""

    def __init__(self, seed: int, hosts: int):
        self.rng = random.Random(seed)
        self.table = HostTable(now=1000.0)
        self.placed: list[tuple[str, Request]] = []
        self._hosts = hosts
        self._number = 0
        for _ in range(hosts // 2):
            self.put()

    def put(self) -> None:
        """A host comes, or is told anew: resized, down, with other traits, its claims forgotten."""
        self.table.put(some_host(self.rng, self.rng.randrange(self._hosts), self.table.now), self.table.now)

    def request(self) -> Request:
        """The next request."""
        self._number += 1
        return some_request(self.rng, self._number)

    def claim(self, host: str, request: Request) -> None:
        """The vm is there now."""
        self.table.claim(self.table.row(host), request)
        self.placed.append((host, request))

    def event(self) -> None:
        """Something happens that isn't a placement."""
        dice = self.rng.random()
        if dice < 0.55 and self.placed:
            host, request = self.placed.pop(self.rng.randrange(len(self.placed)))
            if (row := self.table.row(host)) >= 0:
                self.table.claim(row, request, times=-1)
        elif dice < 0.85:
            self.put()
        elif dice < 0.92:
            self.table.drop(f"id-h{self.rng.randrange(self._hosts)}")
        else:
            self.table.now += self.rng.choice((0.0, 1.0, 7.0, 40.0, -20.0))
