# SPDX-License-Identifier: Apache-2.0
"""The step `place` for many jobs at once, in one transaction: they are locked, chosen for in memory, claimed and ended.

A job that isn't plainly placed (no host, a claim from before, a policy nobody knows) is carried out by itself, as any
other step; so is every job of a batch whose transaction was refused.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.errors import InnkeeperError, TryAgain
from services.common.contracts.flow import Queue
from services.common.contracts.journal import Changes, Done, JobView
from services.common.contracts.placement import Request
from services.common.runtime import tracing
from services.common.runtime.failpoints import hit
from services.common.runtime.log import get_logger
from services.common.runtime.metrics import QUEUE_AGE, STEP_SECONDS
from services.common.runtime.steps import StepRunner
from services.common.store.database import Database, retried
from services.common.store.group_commit import End, GroupJournal, Locked, fits
from services.common.store.journal import SqlJournal
from services.scheduler.booking import host_row
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
from services.scheduler.steps import placed_by

log = get_logger(__name__)
TRIES = 3
STEP = "place"


@dataclass
class Batch:
    """Jobs on their way: with a seat in the table, to be carried out by themselves, or put off: others were faster."""

    jobs: dict[str, Locked] = field(default_factory=dict)
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
        begun = time.perf_counter()
        self._own = self._shares.for_batch(len(job_ids))
        self.roster.sync()
        try:
            batch = retried(lambda: self._placed(job_ids))
        except (SQLAlchemyError, InnkeeperError) as error:
            log.warning("a batch was rolled back; its jobs one by one", jobs=len(job_ids), reason=type(error).__name__)
            self.roster.forget()
            left = sorted(set(job_ids))
        else:
            self._tell(batch, time.perf_counter() - begun)
            left = [job.id for job in batch.alone]
        for job_id in left:
            self._runner.run(job_id)

    def leave(self) -> None:
        """No batch comes any more."""
        self._shares.leave()

    def _tell(self, batch: Batch, took: float) -> None:
        if not batch.jobs:
            return
        hit(f"{Queue.SCHEDULER}.{STEP}.after-commit")
        log.info("vms placed", placed=len(batch.seats), put_off=len(batch.put_off), alone=len(batch.alone))
        now = time.time()
        self.roster.claimed(Counter(seat.host.id for seat in batch.seats.values()))
        for seat in batch.seats.values():
            QUEUE_AGE.labels(Queue.SCHEDULER).observe(max(0.0, time.time() - seat.job.due_since - took))
            STEP_SECONDS.labels(STEP, "done").observe(took)
            ids = {"vm": seat.compact.request.id, "step": STEP, "outcome": "done"}
            tracing.tell(STEP, seat.job.id, now - took, **ids, together=len(batch.seats))

    def _placed(self, job_ids: Sequence[str]) -> Batch:
        """One transaction: claims, decisions and the ends of all steps. Where it fails the table is as before."""
        batch = Batch()
        try:
            with self._database.write() as session:
                for locked in self._group.lock(session, job_ids, Queue.SCHEDULER):
                    batch.jobs[locked.job.id] = locked
                if batch.jobs:
                    hit(f"{Queue.SCHEDULER}.after-claim")
                    self._find_seats(batch)
                    self._take_seats(session, batch)
                    hit(f"{Queue.SCHEDULER}.{STEP}.before-commit")
        except BaseException:
            for seat in batch.seats.values():
                self._stand_up(seat)
            raise
        return batch

    def _find_seats(self, batch: Batch) -> None:
        """A seat for each job that finds one; the table counts them, so that they see each other."""
        for job_id, (job, *_) in batch.jobs.items():
            seat = self._seat(job) if job.step == STEP else None
            if seat is None:
                batch.alone.append(job)
            else:
                batch.seats[job_id] = seat

    def _seat(self, job: JobView) -> Seat | None:
        vm = job.vm
        if vm is None:
            return None
        request = placed_by(job, vm)
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

    def _take_seats(self, session: Session, batch: Batch) -> None:
        """Claim the seats of the batch, and write what came of it; who lost his is put off, or takes another."""
        now = time.time()
        self._hold(session, batch, now)
        ends = [End(batch.jobs[job_id], _ended(seat, now)) for job_id, seat in batch.seats.items()]
        for job in batch.put_off:
            changes = _later(job, now)
            if changes.error is None and fits(changes):
                ends.append(End(batch.jobs[job.id], changes))
            else:  # its time is up, and it fails: by itself, where it is told why
                batch.alone.append(job)
        hosts = [host_row(seat.compact.request.id, seat.host.id, now) for seat in batch.seats.values()]
        self._group.end(session, ends, [*(decision_row(seat, now) for seat in batch.seats.values()), *hosts])

    def _stand_up(self, seat: Seat) -> None:
        self.roster.seat(seat.compact.row, seat.compact.request, -1)

    def _hold(self, session: Session, batch: Batch, now: float) -> None:
        """Claim the seats, or the runners-up where others were faster; who gets none is put off."""
        pending = list(batch.seats.values())
        for tries_left in range(TRIES - 1, -1, -1):
            if not pending:
                break
            outcomes = hold_together(session, [_wanted(seat, now) for seat in pending])
            lost = []
            for seat in pending:
                outcome = outcomes[seat.compact.request.id]
                if outcome == Outcome.TAKEN:  # the vm has a claim from before, and keeps its host
                    self._stand_up(batch.seats.pop(seat.job.id))
                    batch.alone.append(seat.job)
                elif outcome != Outcome.HELD:
                    lost.append(seat)
            pending = self._runners_up(session, batch, lost, bool(tries_left))

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


def _later(job: JobView, now: float) -> Changes:
    return advance.again(job, TryAgain("others took the room on every host that was tried; choosing again"), now)


def _ended(seat: Seat, now: float) -> Changes:
    return advance.finished(seat.job, Done(facts_of_seat(seat)), now)
