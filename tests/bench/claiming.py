# SPDX-License-Identifier: Apache-2.0
"""A scheduler without its queue: decides and claims in groups as fast as it can; tests.bench.scheduler_claims reads it.

It says "ready" when warm, begins at a line on its standard input, and ends with one line of JSON. What is done before
all of them have heard of each other, which takes a second or two, isn't counted. Each group is one
transaction on the database: capacity, claims, and decisions with the explanation that is kept.
"""

import json
import random
import sys
import time
from collections import Counter
from uuid import UUID

from services.common.contracts.journal import JobView
from services.common.contracts.placement import Request
from services.common.contracts.states import JobState
from services.common.store.database import Database
from services.common.store.together import write_together
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.engine.decide import Engine
from services.scheduler.policy_file import Shelf
from services.scheduler.roster import Roster
from services.scheduler.seats import Seat, decision_row
from services.scheduler.shares import RENEW_S, Own, Shares

FLAVORS = ((1, 1024, 10), (1, 2048, 20), (2, 4096, 20), (2, 8192, 40), (4, 8192, 40), (4, 16384, 80))
TRIES = 3


class Claiming:
    """One scheduler of several on the same hosts."""

    def __init__(self, database: Database, name: str):
        self.database = database
        self.name = name
        self.roster = Roster(database)
        self.roster.sync()
        self.engine = Engine(Shelf().active, self.roster.table)
        self.shares = Shares(database, name, changed=self.roster.doubt)
        self.own: Own | None = None
        self.rng = random.Random(name)
        self.done = self.claimed = self.conflicts = self.refused = 0

    def group(self, size: int) -> None:
        """Decide and claim for so many vms; who is late takes the runner-up."""
        self.own = self.shares.for_batch(size)
        self.roster.sync()
        pending = [self._seat(self._request(), ()) for _ in range(size)]
        with self.database.write() as session:
            held: list[Seat] = []
            for _ in range(TRIES):
                seats = [seat for seat in pending if seat is not None]
                outcomes = hold_together(session, [self._wanted(seat) for seat in seats])
                held += [seat for seat in seats if outcomes[seat.job.id] == Outcome.HELD]
                late = [seat for seat in seats if outcomes[seat.job.id] == Outcome.FULL]
                self.conflicts += len(late)
                self.roster.refresh(session, {seat.host.id for seat in late})
                pending = [self._seat(seat.compact.request, (*seat.tried, seat.host.id)) for seat in late]
                if not late:
                    break
                self.shares.crowded()
                self.roster.doubt()
            now = time.time()
            write_together(session, [decision_row(seat, now) for seat in held])
        self.roster.claimed(Counter(seat.host.id for seat in held))
        self.claimed += len(held)

    def _request(self) -> Request:
        self.done += 1
        vcpus, memory, disk = self.rng.choice(FLAVORS)
        return Request(str(UUID(int=self.rng.getrandbits(128), version=4)), vcpus, memory, disk)

    def _seat(self, request: Request, tried: tuple[str, ...]) -> Seat | None:
        compact = self.engine.decide(request, tried, self.own)
        if not compact.host:
            self.refused += 1
            return None
        job = JobView(request.id, "vm.create", "p", JobState.RUNNING, "place", 0, 1)
        seat = Seat(job, self.engine.policy, compact, self.roster.table.view(compact.row), tried)
        self.roster.seat(compact.row, request)
        return seat

    def _wanted(self, seat: Seat) -> Wanted:
        request = seat.compact.request
        return Wanted(Claimant(request.id, seat.job.id, time.time()), request, seat.host, seat.limits)


def main(url: str, name: str, size: str, seconds: str) -> None:
    """Claim in groups of `size` for so many seconds."""
    claiming = Claiming(Database(url), name)
    for _ in range(3):
        claiming.group(int(size))
    print("ready", flush=True)
    sys.stdin.readline()
    met = time.perf_counter() + 2 * RENEW_S
    while time.perf_counter() < met:
        claiming.group(int(size))
    before, conflicts, begun = claiming.claimed, claiming.conflicts, time.perf_counter()
    while time.perf_counter() - begun < float(seconds):
        claiming.group(int(size))
    took = time.perf_counter() - begun
    said = {"claimed": claiming.claimed - before, "conflicts": claiming.conflicts - conflicts, "seconds": took}
    print(json.dumps({**said, "refused": claiming.refused}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
