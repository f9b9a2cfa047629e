# SPDX-License-Identifier: Apache-2.0
"""The statements that move a job and its vm on, made once and kept: they are on every vm's way, twice a step."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, Update, bindparam, case, select, update
from sqlalchemy.orm import Session

from services.common.contracts.codec import dump
from services.common.contracts.flow import FLOWS
from services.common.contracts.journal import Changes, JobView
from services.common.contracts.states import JOB_DUE, JOB_FINAL, VM_MOVES, JobState, VmState, moved
from services.common.store.jobs import Job
from services.common.store.tables import one_of, table_of
from services.common.store.views import VM_COLUMNS, VMS, joined_view, view_of

JOBS = table_of(Job)

_DUE = (
    JOBS.c.queue == bindparam("of_queue"),
    JOBS.c.state.in_([str(s) for s in JOB_DUE]),
    JOBS.c.lease_until < bindparam("now"),
    JOBS.c.due_at <= bindparam("soon"),
)
_TAKEN: Mapping[str, Any] = {
    "lease_owner": bindparam("owner"),
    "lease_until": bindparam("until"),
    "fence": JOBS.c.fence + 1,
    "state": case((JOBS.c.state == str(JobState.QUEUED), str(JobState.RUNNING)), else_=JOBS.c.state),
    "started_at": case((JOBS.c.started_at.is_(None), bindparam("now")), else_=JOBS.c.started_at),
}
_CLAIM = update(JOBS).where(JOBS.c.id == bindparam("job"), *_DUE).values(**_TAKEN).returning(*JOBS.c)
_CLAIMED = _CLAIM.cte("claimed")
# SQLite can't read from an UPDATE; there the vm is a second statement, which costs it nothing.
_CLAIM_WITH_VM = select(*_CLAIMED.c, *VM_COLUMNS).select_from(
    _CLAIMED.outerjoin(VMS, VMS.c.id == _CLAIMED.c.vm_id)  # the job's columns as the UPDATE left them
)
_BEGIN = update(JOBS).where(JOBS.c.id == bindparam("job"))
_BEGIN = _BEGIN.values(deadline_at=bindparam("deadline"), last_seq=JOBS.c.last_seq + 1)


def claimed(session: Session, platform: str, mark: Mapping[str, Any]) -> JobView | None:
    """Take a job by compare-and-swap; `mark` has job, of_queue, owner, until, now, soon."""
    if session.get_bind().dialect.name == "postgresql":
        row = session.execute(_CLAIM_WITH_VM, dict(mark)).one_or_none()
        return joined_view(row, row if row.of_vm_id else None, platform) if row else None
    row = session.execute(_CLAIM, dict(mark)).one_or_none()
    return view_of(session, row, platform) if row else None


def locked_together(session: Session, jobs: Collection[str], queue: str, soon: float) -> Sequence[Row[Any]]:
    """Lock those of the jobs that `claimed` would take, each with its vm, until this transaction ends; by id.

    Who waits for a lock sees what became of the job meanwhile.
    """
    rows = session.execute(_locking(session.get_bind().dialect.name), {"ids": list(jobs)}).all()
    due = {str(state) for state in JOB_DUE}
    return [r for r in rows if r.queue == queue and r.state in due and r.lease_until < soon and r.due_at <= soon]


@lru_cache(maxsize=2)
def _locking(dialect: str) -> Select[Any]:
    """By ids alone: given more to go by, PostgreSQL would rather look through all jobs that are due."""
    both = select(*JOBS.c, *VM_COLUMNS).select_from(JOBS.outerjoin(VMS, VMS.c.id == JOBS.c.vm_id))
    # All lock in the same order: two who want the same jobs then queue.
    return both.where(one_of(JOBS.c.id, dialect)).order_by(JOBS.c.id).with_for_update(of=JOBS)


def begin(session: Session, job: JobView, deadline: float) -> None:
    """The first try of a step begins now, with one event that tells it."""
    session.execute(_BEGIN, {"job": job.id, "deadline": deadline})


def values_after(job: JobView, changes: Changes, now: float) -> dict[str, Any]:
    """The columns of the job that these changes set, `last_seq` apart."""
    values: dict[str, Any] = {
        "state": str(changes.state),
        "step": changes.step,
        "queue": FLOWS[job.kind].step(changes.step).queue,
        "attempt": changes.attempt,
        "due_at": changes.due_at or 0.0,
        "rung_at": now,
        "deadline_at": changes.deadline_at,
        "resend_at": changes.resend_at,
        "lease_owner": "",
        "lease_until": 0.0,
    }
    if not changes.still_sent:
        values["command"] = dump(changes.command) if changes.command else None
    optional: Mapping[str, Any] = {
        "facts": dict(changes.facts) if changes.facts is not None else None,
        "error": changes.error,
        "undo": list(changes.undo) if changes.undo is not None else None,
        "ends_as": str(changes.ends_as) if changes.ends_as else None,
        "finished_at": now if changes.state in JOB_FINAL else None,
    }
    values.update({name: value for name, value in optional.items() if value is not None})
    return values


def advance_job(session: Session, job: JobView, changes: Changes, now: float) -> tuple[int, str] | None:
    """Move the job on, if it is still where and whose it was: (its last seq, its vm's state before it), else None."""
    values = values_after(job, changes, now)
    unmoved = {"of_job": job.id, "of_fence": job.fence, "of_state": str(job.state), "of_step": job.step}
    given = {f"to_{name}": value for name, value in values.items()}
    statement = _advance(tuple(values))
    row = session.execute(statement, {**unmoved, **given, "told": len(changes.events)}).one_or_none()
    return (row.last_seq, row.vm_before) if row else None


@lru_cache(maxsize=64)
def _advance(columns: tuple[str, ...]) -> Any:
    change: Update = update(JOBS).where(
        JOBS.c.id == bindparam("of_job"),
        JOBS.c.fence == bindparam("of_fence"),
        JOBS.c.state == bindparam("of_state"),
        JOBS.c.step == bindparam("of_step"),
    )
    new: dict[str, Any] = {name: bindparam(f"to_{name}") for name in columns}
    change = change.values(**new, last_seq=JOBS.c.last_seq + bindparam("told"))
    return change.returning(JOBS.c.last_seq, JOBS.c.vm_before)


def move_vm(session: Session, job: JobView, changes: Changes, vm_before: str, now: float) -> None:
    """Give the job's vm the state that comes with the change, and let it go where the job is over."""
    if job.vm is None:
        return
    target = VmState(vm_before) if changes.vm_back and vm_before else changes.vm_state
    final = changes.state in JOB_FINAL
    if target is None and not final:
        return
    values: dict[str, Any] = {"version": VMS.c.version + 1, "updated_at": now}
    if target is not None:
        values["state"] = str(moved(VM_MOVES, job.vm.state, target))
        if target == VmState.DELETED:
            values["deleted_at"] = now
    if final:
        values["job_id"] = None
    session.execute(update(VMS).where(VMS.c.id == job.vm.id).values(**values))
