# SPDX-License-Identifier: Apache-2.0
"""The step `place` for many jobs at once: leases in one transaction, choices in memory, claims and ends in another.

A job that isn't plainly placed (no host, a claim from before, a policy nobody knows) is carried out by itself, as any
other step; so is every job of a batch whose transaction was refused. Each job has its own lease and fence.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.errors import InnkeeperError, TryAgain
from services.common.contracts.flow import Queue
from services.common.contracts.journal import Changes, Done, JobView
from services.common.contracts.placement import Request
from services.common.runtime.failpoints import hit
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import LEASES_LOST, QUEUE_AGE, STEP_SECONDS
from services.common.runtime.steps import StepRunner
from services.common.store.database import Database, retried
from services.common.store.group_commit import End, GroupJournal
from services.common.store.hosts import Claim
from services.common.store.journal import SqlJournal
from services.scheduler.booking import set_hosts
from services.scheduler.claims import Claimant, Outcome, Wanted, hold_together
from services.scheduler.engine.warm import Warmth
from services.scheduler.engines import Engines
from services.scheduler.groups import kept_apart
from services.scheduler.metrics import CONFLICTS, DECISION_SECONDS, DECISIONS
from services.scheduler.policy import Policy
from services.scheduler.policy_file import Shelf
from services.scheduler.roster import Roster
from services.scheduler.seats import Seat, decision_row, facts_of_seat
from services.scheduler.shares import Own, Shares
from services.scheduler.steps import request_for

log = get_logger(__name__)
TRIES = 3
STEP = "place"


@dataclass
class Batch:
    """Jobs on their way: with a seat in the table, to be carried out by themselves, or put off: others were faster."""

    seats: dict[str, Seat] = field(default_factory=dict)
    alone: list[JobView] = field(default_factory=list)
    put_off: list[JobView] = field(default_factory=list)


class PlacingTogether:
    """Called with job ids from one thread."""

    def __init__(
        self, runner: StepRunner, database: Database, shelf: Shelf, journal: SqlJournal, warmth: Warmth | None = None
    ):
        self._runner = runner
        self._database = database
        self._shelf = shelf
        self._group = GroupJournal(journal)
        self.roster = Roster(database)
        # Whoever else is busy has claimed what the table doesn't know yet.
        self._shares = Shares(database, runner.owner, changed=self.roster.doubt)
        self._own: Own | None = None
        self._engines = Engines(self.roster.table, warmth or Warmth())

    def __call__(self, job_ids: Sequence[str]) -> None:
        """Place these jobs' vms, those that are ours to place."""
        hit(f"{Queue.SCHEDULER}.before-claim")
        jobs = self._group.claim(job_ids, Queue.SCHEDULER, self._runner.owner, self._runner.lease_s)
        if not jobs:
            return
        hit(f"{Queue.SCHEDULER}.after-claim")
        for job in jobs:
            self._runner.leases.hold(job)
        try:
            for job in self._placed(jobs):
                self._runner.carry_out(job)
        finally:
            for job in jobs:
                self._runner.leases.let_go(job)

    def _placed(self, jobs: Sequence[JobView]) -> Sequence[JobView]:
        """Place what can be placed together; the jobs that are left."""
        begun = time.perf_counter()
        batch = self._seated(jobs)
        if not batch.seats:
            return batch.alone
        try:
            hit(f"{Queue.SCHEDULER}.{STEP}.before-commit")
            placed = retried(lambda: self._committed(batch))
        except (SQLAlchemyError, InnkeeperError) as error:
            log.warning("a batch was rolled back; its jobs one by one", jobs=len(jobs), reason=type(error).__name__)
            self.roster.forget()
            return jobs
        hit(f"{Queue.SCHEDULER}.{STEP}.after-commit")
        log.info("vms placed", placed=len(placed), put_off=len(batch.put_off), alone=len(batch.alone))
        self.roster.claimed(Counter(seat.host.id for seat in placed))
        took = time.perf_counter() - begun
        for seat in placed:
            QUEUE_AGE.labels(Queue.SCHEDULER).observe(max(0.0, time.time() - seat.job.due_since - took))
            STEP_SECONDS.labels(STEP, "done").observe(took)
        return batch.alone

    def _seated(self, jobs: Sequence[JobView]) -> Batch:
        """A seat for each job that finds one; the table counts them, so that they see each other."""
        batch = Batch()
        self._own = self._shares.for_batch(len(jobs))
        self.roster.sync()
        with self._database.look() as connection:
            vms = [job.vm.id for job in jobs if job.vm]
            held = set(connection.execute(select(Claim.vm_id).where(Claim.vm_id.in_(vms))).scalars())
        for job in jobs:
            plain = job.step == STEP and job.vm is not None and job.vm.id not in held
            seat = self._seat(job) if plain else None
            if seat is None:
                batch.alone.append(job)
            else:
                batch.seats[job.id] = seat
        return batch

    def _seat(self, job: JobView) -> Seat | None:
        vm = job.vm
        if vm is None:
            return None
        request = request_for(vm)
        try:
            policy = self._shelf.chosen(request, vm.spec.policy)
        except InnkeeperError:
            return None
        with DECISION_SECONDS.time():
            seat = self._choice(job, request, policy, ())
        if seat is not None:
            DECISIONS.labels("placed").inc()
        return seat

    def _choice(self, job: JobView, request: Request, policy: Policy, tried: tuple[str, ...]) -> Seat | None:
        table = self.roster.table
        compact = self._engines.of(policy).decide(request, tried, self._own)
        if not compact.host:
            return None
        seat = Seat(job, policy, compact, table.view(compact.row), tried)
        self.roster.seat(compact.row, request)
        return seat

    def _committed(self, batch: Batch) -> list[Seat]:
        """One transaction: claims, decisions and the ends of all steps; the seats that were taken."""
        now = time.time()
        with self._database.write() as session:
            # A transaction that is repeated finds the batch as the last try left it: seats may be others.
            seqs = self._group.in_hand(session, [*(seat.job for seat in batch.seats.values()), *batch.put_off])
            for job_id in batch.seats.keys() - seqs.keys():
                self._left(batch.seats.pop(job_id))
            placed = self._held(session, batch, now)
            ends = [End(seat.job, _ended(seat, now)) for seat in placed]
            full = TryAgain("others took the room on every host that was tried; choosing again")
            ends += [End(job, advance.again(job, full, now)) for job in batch.put_off if job.id in seqs]
            self._group.end(session, ends, seqs, [decision_row(seat, now) for seat in placed])
            set_hosts(session, {seat.compact.request.id: seat.host.id for seat in placed}, now)
        return placed

    def _left(self, seat: Seat) -> None:
        LEASES_LOST.inc()
        log.warning("result dropped: the job is in other hands", job=seat.job.id)
        self.roster.seat(seat.compact.row, seat.compact.request, -1)

    def _held(self, session: Session, batch: Batch, now: float) -> list[Seat]:
        """Claim the seats, or the runners-up where others were faster; who got one. Who got none is put off."""
        placed: list[Seat] = []
        pending = list(batch.seats.values())
        for tries_left in range(TRIES - 1, -1, -1):
            outcomes = hold_together(session, [_wanted(seat, now) for seat in pending])
            lost = []
            for seat in pending:
                outcome = outcomes[seat.compact.request.id]
                if outcome == Outcome.HELD:
                    placed.append(seat)
                else:
                    lost.append(seat)
            pending = self._runners_up(session, batch, lost, bool(tries_left))
            if not pending:
                break
        return placed

    def _runners_up(self, session: Session, batch: Batch, lost: Sequence[Seat], again: bool) -> list[Seat]:
        """New seats for who lost theirs, on hosts seen as they are now; who finds none is put off."""
        found = []
        if lost:
            CONFLICTS.inc(len(lost))
            self._shares.crowded()
            self.roster.doubt()
            self.roster.refresh(session, {seat.host.id for seat in lost})
        for seat in lost:
            del batch.seats[seat.job.id]
            request, tried = seat.compact.request, (*seat.tried, seat.host.id)
            new = self._choice(seat.job, request, seat.policy, tried) if again else None
            if new is None:
                batch.put_off.append(seat.job)
            else:
                batch.seats[seat.job.id] = new
                found.append(new)
        return found


def _wanted(seat: Seat, now: float) -> Wanted:
    request = seat.compact.request
    return Wanted(
        Claimant(request.id, seat.job.id, now),
        request,
        seat.host,
        seat.limits,
        kept_apart(seat.policy, request, seat.host),
    )


def _ended(seat: Seat, now: float) -> Changes:
    return advance.finished(seat.job, Done(facts_of_seat(seat)), now)
