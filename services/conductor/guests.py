# SPDX-License-Identifier: Apache-2.0
"""What guests say: kept as observed facts, told as phases, and the end of a wait for an installation or a boot."""

import time
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from services.common.contracts import advance
from services.common.contracts.events import AgentEvent, JobEventKind
from services.common.contracts.flow import FLOWS, INSTALLS
from services.common.contracts.guest import AGENT, INSTALLED, MOST_PHASES
from services.common.contracts.journal import Done, JobView, JsonDict, NewEvent
from services.common.contracts.states import JobState
from services.common.contracts.topics import job_channel
from services.common.runtime.feed import Feed
from services.common.store.database import Database
from services.common.store.jobs import Job, JobStep
from services.common.store.journal import SqlJournal, append_events, view_of
from services.common.store.vms import Vm
from services.conductor.guest_waits import GuestWaits, locked_wait, went_on
from services.conductor.witness import Witness

# Whatever a guest says, nobody waits longer than this for one step.
LONGEST_WAIT_S = 4 * 3600.0
_LISTEN = (JobState.WAITING, JobState.STALLED)


@dataclass(frozen=True)
class _Word:
    """One message, who said it, and the job that waits for this guest."""

    session: Session
    vm: Vm
    job: Job | None
    message: JsonDict
    now: float


class Guests:
    """Records guest messages that were checked; the vm is the one whose port (or token) they came with."""

    def __init__(self, database: Database, journal: SqlJournal, feed: Feed):
        self._database = database
        self._journal = journal
        self._waits = GuestWaits(database, journal)
        self._witness = Witness(database, journal)
        self._feed = feed
        self._said = {
            "hello": self._hello,
            "phase": self._phase,
            "report": self._report,
            "failed": self._failed,
        }

    def record(self, event: AgentEvent) -> None:
        """One message. Repeated, late and out of order it does no harm."""
        with self._database.write() as session:
            vm = session.get(Vm, event.vm)
            if vm is None or vm.host_id != event.host:
                return
            word = _Word(session, vm, locked_wait(session, vm.job_id, _LISTEN), event.data, time.time())
            vm.seen_at = word.now
            kind = event.data.get("type")
            if kind == "load":
                vm.observed = {**vm.observed, "load": _without_type(event.data)} if vm.observed else None
            elif kind in self._said:
                self._said[kind](word)
            view = self._booting(word) if kind == "report" else None
            deadline = word.job.deadline_at or 0.0 if word.job else 0.0
        if view is not None:
            self._waits.finish(view, deadline, word.now)

    def _booting(self, word: _Word) -> JobView | None:
        if word.job is None:
            return None
        booting = word.job.state == JobState.WAITING and word.job.step == "boot"
        return view_of(word.session, word.job, self._journal.platform(word.session)) if booting else None

    def _hello(self, word: _Word) -> None:
        """Of a system that was just installed, the first word of its agent is the last phase."""
        if word.job is not None and word.job.params.get(INSTALLS):
            self._phase(replace(word, message={"name": AGENT}))

    def _report(self, word: _Word) -> None:
        word.vm.observed = {**_without_type(word.message), "at": word.now}
        word.vm.version += 1
        if word.job is not None:
            self._wake(word, word.job)
            if word.job.step == "install":
                self._end(word, word.job, "report")

    def _phase(self, word: _Word) -> None:
        job = word.job
        if job is None:
            return
        name, percent = str(word.message["name"]), word.message.get("percent")
        known: dict[str, float] = _facts(job).get("phases", {})
        ends = name == INSTALLED and job.step == "install"
        first = name not in known and (ends or len(known) < MOST_PHASES)
        further = first or (name in known and (percent or 0) >= known[name] + 1)
        if not further or (not ends and word.now > self._latest(word, job)):
            return
        self._wake(word, job)
        now_at = {"name": name, "percent": percent, "at": word.now}
        _note(job, {"phases": {**known, name: percent or 0}, "phase": now_at})
        self._go_on_waiting(word, job)
        if first:
            data = {} if percent is None else {"percent": percent}
            append_events(word.session, job.id, [NewEvent(JobEventKind.PHASE, job.step, name, data)])
        else:
            told = {"job": job.id, "vm": word.vm.id, "kind": str(JobEventKind.PROGRESS), "step": job.step}
            self._feed.publish(job_channel(job.id), {**told, "percent": percent, "text": name, "at": word.now})
        if ends:
            self._end(word, job, "phase")

    def _failed(self, word: _Word) -> None:
        """Noted on the job, which ends as failed as soon as its host has looked at the vm (conductor.witness)."""
        job = word.job
        if job is None or _facts(job).get("failed"):
            return
        self._wake(word, job)
        _note(job, {"failed": {"phase": word.message.get("phase"), "log": word.message.get("log")}})
        self._witness.call(word.session, job, word.vm)

    def _wake(self, word: _Word, job: Job) -> None:
        """A job that was given up on goes on by itself when its guest comes further after all."""
        if job.state != JobState.STALLED:
            return
        word.session.flush()
        view = view_of(word.session, job, self._journal.platform(word.session))
        self._journal.apply_in(word.session, view, went_on(view, word.now + self._patience(word, job)))
        word.session.refresh(job)

    def _end(self, word: _Word, job: Job, by: str) -> None:
        """The installation is over; the boot that follows is waited for at once."""
        word.session.flush()
        view = view_of(word.session, job, self._journal.platform(word.session))
        if not _facts(job).get("failed"):
            self._journal.apply_in(word.session, view, advance.finished(view, Done({"ended_by": by}), word.now))
            word.session.refresh(job)

    def _go_on_waiting(self, word: _Word, job: Job) -> None:
        """It has come further: the guest may be silent for its whole allowance again."""
        moved = min(word.now + self._patience(word, job), self._latest(word, job))
        job.deadline_at = max(job.deadline_at or 0.0, moved)

    def _latest(self, word: _Word, job: Job) -> float:
        row = word.session.get(JobStep, (job.id, job.step))
        return (row.begun_at if row else word.now) + LONGEST_WAIT_S

    def _patience(self, word: _Word, job: Job) -> float:
        return self._journal.durations.silence_s(word.session, FLOWS[job.kind].step(job.step), word.vm.os)


def _facts(job: Job) -> JsonDict:
    """What is known of the present step so far."""
    found: JsonDict = job.facts.get(job.step, {})
    return found


def _note(job: Job, facts: JsonDict) -> None:
    job.facts = {**job.facts, job.step: {**_facts(job), **facts}}


def _without_type(message: JsonDict) -> JsonDict:
    return {k: v for k, v in message.items() if k != "type"}
