# SPDX-License-Identifier: Apache-2.0
"""How a job moves on: pure decisions from (job, what happened, now) to the changes one transaction writes.

Worker, recorder, sweeper and the people's controls (cancel, retry, roll back) all decide here and nowhere else.
A job with undos left (`job.undo`) is walking back; its present step is the first of them.
"""

from dataclasses import replace
from typing import Any

from services.common.contracts.deploying import deploy_plan, networks_of
from services.common.contracts.errors import IllegalMove, InnkeeperError, NoHost, NotYet
from services.common.contracts.events import JobEventKind as K
from services.common.contracts.flow import FLOWS, Flow, Step, task_name, undo_path
from services.common.contracts.journal import Bell, Changes, Done, JobView, JsonDict, NewEvent, Park
from services.common.contracts.orders import VERBS, command_for, host_of
from services.common.contracts.states import JOB_MOVES, JobState, VmState, moved

# A step that can't be done now is tried again after 0.2 s, then twice as late each time, up to this.
LONGEST_PAUSE_S = 15.0


def flow_of(job: JobView) -> Flow:
    """The flow of a job."""
    return FLOWS[job.kind]


def step_of(job: JobView) -> Step:
    """The step a job is at, forward or undo."""
    return flow_of(job).step(job.step)


def finished(job: JobView, done: Done, now: float = 0.0) -> Changes:
    """The present step is done: on to the next one, or to the end.

    With `now` given, a step that follows from the job alone is sent off in the same transaction.
    """
    if job.undo:
        return _undone(job, done)
    facts = {**job.facts, job.step: done.facts}
    following = flow_of(job).after_step(job.step, job.params)
    if following is None:
        changes = _succeeded(job, done)
    elif now and following.follows and _can_follow(job, following):
        changes = _sent_off(job, replace(job, step=following.name, facts=facts), now)
    else:
        changes = _on_to(job, JobState.RUNNING, following)
    ended = NewEvent(K.STEP_FINISHED, job.step, data=done.facts)
    return _ended(job, "done", changes, ended, facts=facts, write=done.write)


def _succeeded(job: JobView, done: Done) -> Changes:
    vm_state = done.vm_state or flow_of(job).after
    return Changes(
        state=moved(JOB_MOVES, job.state, JobState.SUCCEEDED),
        step=job.step,
        events=(NewEvent(K.SUCCEEDED, data=_vm_data(vm_state)),),
        vm_state=vm_state,
    )


def _can_follow(job: JobView, following: Step) -> bool:
    if job.vm is None:
        return False
    if following.name == "deploy":
        return bool(job.params.get("networks"))
    # Without an agent nobody says that it has booted; an installer speaks by itself.
    return following.name != "boot" or job.vm.spec.guest_agent


def _sent_off(job: JobView, ahead: JobView, now: float) -> Changes:
    step = step_of(ahead)
    plan = deploy_plan(ahead, networks_of(ahead)) if ahead.step == "deploy" else None
    command = command_for(ahead, host_of(ahead), plan) if ahead.step in VERBS else None
    return Changes(
        state=moved(JOB_MOVES, job.state, JobState.WAITING),
        step=step.name,
        deadline_at=now + step.deadline_s,
        resend_at=now + step.resend_s if step.resend_s else None,
        step_begun=step.name,
        events=(NewEvent(K.STEP_STARTED, step.name), NewEvent(K.STEP_PARKED, step.name)),
        command=command,
        at_host=job.step == "deploy",  # its command carried this one (orders.command_for)
    )


def parked(job: JobView, park: Park, now: float, deadline_s: float) -> Changes:
    """The step goes on elsewhere; a report, or the deadline, ends it."""
    step = step_of(job)
    return Changes(
        state=moved(JOB_MOVES, job.state, JobState.UNDO_WAITING if job.undo else JobState.WAITING),
        step=job.step,
        attempt=job.attempt,
        facts={**job.facts, job.step: park.facts} if park.facts else None,
        deadline_at=job.deadline_at or now + deadline_s,
        resend_at=now + step.resend_s if step.resend_s else None,
        events=(NewEvent(K.STEP_PARKED, job.step),),
        command=park.command,
    )


def failed(job: JobView, error: InnkeeperError) -> Changes:
    """The present step can't be done: walk back what was left behind; where an undo fails, people must look."""
    told = error_data(error)
    event = NewEvent(K.STEP_FAILED, job.step, error.detail, {"code": error.code})
    if job.undo:
        return stalled(job, f"undo {job.step!r} failed: {error.detail}", told)
    return _walk_back(job, JobState.FAILED, told, event)


def again(job: JobView, error: InnkeeperError, now: float) -> Changes:
    """The step can't be done now: try later, until its deadline is over."""
    deadline_at = error.until if isinstance(error, NotYet) else job.deadline_at
    if deadline_at is not None and now > deadline_at:
        return failed(job, error)
    attempt = job.attempt + 1
    pause = min(LONGEST_PAUSE_S, 0.2 * 2 ** min(attempt - 1, 10))
    # Every try is counted; only the 1st, 2nd, 4th, 8th ... is told, so that a long wait doesn't fill the journal.
    told = attempt & (attempt - 1) == 0
    event = NewEvent(K.STEP_RETRIED, job.step, error.detail, {"attempt": attempt, "pause_s": pause})
    return Changes(
        state=job.state,
        step=job.step,
        attempt=attempt,
        due_at=now + pause,
        deadline_at=deadline_at,
        events=(event,) if told else (),
    )


def stalled(job: JobView, reason: str, evidence: JsonDict | None = None) -> Changes:
    """No progress beyond the deadline: say so with evidence; the owner cancels, retries or rolls back."""
    return Changes(
        state=moved(JOB_MOVES, job.state, JobState.STALLED),
        step=job.step,
        attempt=job.attempt,
        still_sent=True,
        error={
            "code": "stalled",
            "title": "No progress",
            "detail": reason,
            **({"evidence": evidence} if evidence else {}),
        },
        events=(NewEvent(K.STALLED, job.step, reason, evidence or {}),),
    )


def cancelled(job: JobView, ends_as: JobState, reason: str) -> Changes:
    """Somebody asked for it: walk back from wherever the job is."""
    if job.state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
        raise IllegalMove(f"the job is over ({job.state})")
    if job.undo:
        if job.state != JobState.STALLED:
            raise IllegalMove("the job is being rolled back already")
        return resumed(job)
    if job.kind == "vm.delete":
        raise IllegalMove("a deletion can't be taken back; retry it")
    return _walk_back(job, ends_as, {"code": str(ends_as), "title": reason, "detail": reason})


def resumed(job: JobView) -> Changes:
    """Take a stalled job up again at the step where it stands."""
    if job.state != JobState.STALLED:
        raise IllegalMove(f"only a stalled job can be resumed; this one is {job.state}")
    changes = _on_to(job, JobState.UNDOING if job.undo else JobState.RUNNING, step_of(job))
    return replace(changes, events=(NewEvent(K.RESUMED, job.step),), error=None if job.undo else {})


def after_all(job: JobView, changes: Changes) -> Changes:
    """What an answer changes that came after the job was given up on: as in time, and the journal says that it came."""
    came = NewEvent(K.RESUMED, job.step, "the host answered after all")
    error = {} if changes.error is None and not job.undo else changes.error
    return replace(changes, events=(came, *changes.events), error=error)


def restarted(job: JobView) -> Changes:
    """Begin a failed job anew, from its first step."""
    flow = flow_of(job)
    told = NewEvent(K.QUEUED, text="tried again")
    changes = _on_to(job, JobState.QUEUED, flow.steps[0])
    return replace(changes, facts={}, error={}, undo=(), events=(told,), vm_state=flow.during)


def bell(job_id: str, step: Step) -> Bell:
    """The bell that rings for `step` of this job."""
    return Bell(step.queue, task_name(step), job_id)


def error_data(error: InnkeeperError) -> JsonDict:
    """What the job keeps of an error: for people and for clients."""
    data: JsonDict = {"code": error.code, "title": error.title, "detail": error.detail}
    if error.problems:
        data["errors"] = [{"pointer": p.pointer, "detail": p.detail, "fix": p.fix} for p in error.problems]
    if isinstance(error, NoHost):
        data["placement"] = error.extra.get("explanation")
    elif error.extra:
        data["evidence"] = error.extra
    return data


def _on_to(job: JobView, state: JobState, step: Step) -> Changes:
    return Changes(state=moved(JOB_MOVES, job.state, state), step=step.name, bells=(bell(job.id, step),))


def _ended(job: JobView, outcome: str, changes: Changes, *events: NewEvent, **more: Any) -> Changes:
    """These changes and `more` (fields), at the end of the present step; its events come before theirs."""
    return replace(changes, step_ended=job.step, step_outcome=outcome, events=(*events, *changes.events), **more)


def _undone(job: JobView, done: Done) -> Changes:
    left = job.undo[1:]
    if left:
        changes = replace(_on_to(job, JobState.UNDOING, flow_of(job).step(left[0])), undo=left)
    else:
        changes = _over(job, job.ends_as)
    ended = NewEvent(K.STEP_FINISHED, job.step, data={"undo": True})
    facts = {**job.facts, job.step: done.facts} if done.facts else None
    return _ended(job, "undone", changes, ended, facts=facts, write=done.write)


def _walk_back(job: JobView, ends_as: JobState, error: JsonDict, *events: NewEvent) -> Changes:
    path = undo_path(flow_of(job), job.step)
    if path:
        undo = tuple(s.name for s in path)
        begun = NewEvent(K.UNDO_STARTED, job.step, error.get("detail", ""), {"undo": list(undo)})
        changes = _on_to(job, JobState.UNDOING, path[0])
        changes = replace(changes, undo=undo, ends_as=ends_as, events=(begun,))
    else:
        changes = _over(job, ends_as)
    return _ended(job, "failed", changes, *events, error=error)


def _over(job: JobView, ends_as: JobState) -> Changes:
    vm_state = flow_of(job).failed
    kind = K.CANCELLED if ends_as == JobState.CANCELLED else K.FAILED
    return Changes(
        state=moved(JOB_MOVES, job.state, ends_as),
        step=job.step,
        undo=(),
        events=(NewEvent(kind, data=_vm_data(vm_state)),),
        vm_state=vm_state,
        vm_back=vm_state is None,
    )


def _vm_data(state: VmState | None) -> JsonDict:
    return {"vm_state": str(state)} if state else {}
