# SPDX-License-Identifier: Apache-2.0
"""A job as it is shown: its steps as the flow has them, with the times of those that ran and of those to come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api import etags
from services.api.call import Call
from services.api.views.masking import masked_error
from services.api.views.moments import moment
from services.common.contracts.flow import FLOWS
from services.common.contracts.guest import GUEST_STEPS
from services.common.contracts.states import JOB_FINAL, JobState
from services.common.store.durations import Durations
from services.common.store.models import Job, JobStep, Vm

JsonDict = dict[str, Any]
_WAITS = (JobState.WAITING, JobState.STALLED)
# Until a step has run here: seconds on a small machine without hardware virtualisation.
FIRST_GUESS_S = {
    "place": 0.1,
    "build": 30.0,
    "deploy": 1.0,
    "start": 1.0,
    "install": 120.0,
    "boot": 60.0,
    "verify": 0.1,
    "stop": 15.0,
    "force-stop": 1.0,
    "reboot": 20.0,
    "reset": 1.0,
    "suspend": 1.0,
    "resume": 1.0,
    "hold-room": 0.1,
    "resize": 1.0,
    "settle-size": 0.1,
    "resize-back": 1.0,
    "let-go-room": 0.1,
    "note-snapshot": 0.1,
    "snapshot": 5.0,
    "keep-snapshot": 0.1,
    "look-away": 0.1,
    "wipe": 1.0,
    "clone": 30.0,
    "revert": 5.0,
    "reverted": 0.1,
    "drop-snapshot": 2.0,
    "forget-snapshot": 0.1,
    "erase": 1.0,
    "discard": 0.1,
    "release": 0.1,
    "import": 60.0,
    "fall-asleep": 5.0,
    "asleep": 0.1,
    "wake": 120.0,
    "hold-nic": 0.1,
    "reseed": 0.5,
    "attach-nic": 1.0,
    "detach-nic": 3.0,
    "settle-nic": 0.1,
    "hold-volume": 0.1,
    "attach-volume": 1.0,
    "grow-volume": 1.0,
    "detach-volume": 2.0,
    "drop-volume": 1.0,
    "settle-volume": 0.1,
}


@dataclass(frozen=True)
class Expectation:
    """What earlier runs of this os teach of a step."""

    durations: Durations
    db: Session
    os: str

    def __call__(self, step: str) -> float | None:
        """How long it takes: the median of earlier runs, else a first guess."""
        learned = self.durations.expected_s(self.db, step, self.os)
        return round(learned, 3) if learned is not None else FIRST_GUESS_S.get(step)

    def silence(self, step: str) -> float | None:
        """How long its guest may say nothing new before it stalls; None for a step that waits for no guest."""
        if step not in GUEST_STEPS:
            return None
        # A creation takes every step that waits for a guest.
        return round(self.durations.silence_s(self.db, FLOWS["vm.create"].step(step), self.os), 1)


def job_view(job: Job, steps: Iterable[JobStep], expected: Expectation, now: float, unmasked: bool = False) -> JsonDict:
    """Everything about a job; `steps` are its rows, in any order. `unmasked`: whether its reader may know hosts."""
    rows = {row.name: row for row in steps}
    flow = FLOWS[job.kind]
    names = [step.name for step in flow.taken(job.params)]
    undone = sorted((row for row in rows.values() if row.name not in names), key=lambda row: row.begun_at)
    shown = [_step(name, rows.get(name), expected, now) for name in names]
    to_undo = [name for name in job.undo if name not in rows and name not in names]
    shown += [_step(row.name, row, expected, now, undo=True) for row in undone]
    shown += [_step(name, None, expected, now, undo=True) for name in to_undo]
    return {
        "id": job.id,
        "kind": job.kind,
        "project": job.project_id,
        "state": job.state,
        "step": job.step,
        "phase": _phase(job),
        "attempt": job.attempt,
        "vm": job.vm_id,
        "media": job.media_id,
        "steps": shown,
        "expected_s": total([expected(name) for name in names]),
        "error": _error(job) if unmasked else masked_error(_error(job)),
        "last_seq": job.last_seq,
        "requested_by": job.requested_by,
        "trace_id": job.trace_id,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "deadline_at": moment(job.deadline_at) if job.state not in JOB_FINAL else None,
    }


def _phase(job: Job) -> JsonDict | None:
    """What the guest that the job waits for said last of how far it is."""
    found = job.facts.get(job.step, {}).get("phase") if job.state in _WAITS else None
    return {**found, "at": moment(found["at"])} if found else None


def _error(job: Job) -> JsonDict | None:
    """Why it broke; with the way to what was seen of its vm, which is kept though the vm may be gone."""
    if not job.error:
        return None
    evidence = job.error.get("evidence")
    if not isinstance(evidence, dict) or "taken_at" not in evidence:
        return job.error
    at = f"/v1/vms/{job.vm_id}"
    links = {"console_log": f"{at}/console-log?job={job.id}"}
    if evidence.get("screenshot"):
        links["screenshot"] = f"{at}/screenshot?job={job.id}"
    return {**job.error, "evidence": {**evidence, "taken_at": moment(evidence["taken_at"]), "links": links}}


def total(seconds: Iterable[float | None]) -> float | None:
    """The sum of what is known."""
    known = [s for s in seconds if s is not None]
    return round(sum(known), 3) if known else None


def _step(name: str, row: JobStep | None, expected: Expectation, now: float, undo: bool = False) -> JsonDict:
    ended = row.finished_at if row else None
    until = ended if ended is not None else now
    return {
        "name": name,
        "state": row.state if row else "pending",
        "undo": undo,
        "started_at": moment(row.begun_at) if row else None,
        "finished_at": moment(ended),
        "elapsed_s": round(max(0.0, until - row.begun_at), 3) if row else None,
        "expected_s": expected(name),
        "silence_s": None if undo else expected.silence(name),
    }


def job_views(call: Call, db: Session, jobs: Sequence[Job]) -> list[JsonDict]:
    """Several jobs; their steps and their vms' systems are looked up once."""
    ids = [job.id for job in jobs]
    steps: dict[str, list[JobStep]] = {job_id: [] for job_id in ids}
    for row in db.scalars(select(JobStep).where(JobStep.job_id.in_(ids))):
        steps[row.job_id].append(row)
    vm_ids = {job.vm_id for job in jobs if job.vm_id}
    pairs = db.execute(select(Vm.id, Vm.os).where(Vm.id.in_(vm_ids))) if vm_ids else ()
    systems = {row[0]: row[1] for row in pairs}
    durations = call.parts.durations
    return [
        job_view(job, steps[job.id], Expectation(durations, db, systems.get(job.vm_id or "", "")), call.now, call.admin)
        for job in jobs
    ]


def tagged(call: Call, db: Session, job: Job) -> JsonDict:
    """One job with its ETag; what grows with the clock alone is no change."""
    view = job_views(call, db, [job])[0]
    still = {**view, "steps": [{**s, "elapsed_s": None} for s in view["steps"]]}
    return {**view, "etag": etags.make(still, ("state",))}


def fresh_view(call: Call, db: Session, job: Job, os: str) -> JsonDict:
    """A job that was opened in this moment: none of its steps has begun."""
    return job_view(job, (), Expectation(call.parts.durations, db, os), call.now)
