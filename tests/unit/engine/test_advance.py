# SPDX-License-Identifier: Apache-2.0
"""How a job moves on: every path ends, no move is illegal, every undo that is owed is run."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contracts import advance
from services.common.contracts.errors import GuestFailed, HostFailed, IllegalMove, TryAgain
from services.common.contracts.flow import FLOWS, QUEUES, UNDO_STEPS, undo_path
from services.common.contracts.journal import Changes, Done, JobView, Park
from services.common.contracts.states import JOB_FINAL, JOB_MOVES, JobState, may_move


def job(kind: str = "vm.create", **changes: object) -> JobView:
    view = JobView("j", kind, "p", JobState.RUNNING, FLOWS[kind].steps[0].name, 0, 1)
    return replace(view, **changes)  # type: ignore[arg-type]


def after(view: JobView, changes: Changes) -> JobView:
    """The job as the journal would keep it."""
    assert may_move(JOB_MOVES, view.state, changes.state)
    state = JobState.RUNNING if changes.state == JobState.QUEUED else changes.state
    return replace(
        view,
        state=state,
        step=changes.step,
        attempt=changes.attempt,
        undo=view.undo if changes.undo is None else changes.undo,
        ends_as=changes.ends_as or view.ends_as,
        facts=changes.facts if changes.facts is not None else view.facts,
    )


ACTS = st.sampled_from(["done", "park", "again", "fail", "cancel", "stall", "resume", "late done", "late fail"])


def act(view: JobView, what: str) -> Changes | None:
    parked = view.state in (JobState.WAITING, JobState.UNDO_WAITING)
    if view.state == JobState.STALLED and what not in ("resume", "cancel"):
        return _late(view, what)
    if what == "done":
        return advance.finished(view, Done({"x": 1}))
    if what == "park":
        return None if parked else advance.parked(view, Park(), 0.0, 10)
    if what == "again":
        return None if parked else advance.again(view, TryAgain("x"), 0.0)
    if what == "fail":
        return advance.failed(view, HostFailed("x"))
    if what == "stall":
        return advance.stalled(view, "late") if parked else None
    if what.startswith("late"):
        return None
    try:
        if what == "resume":
            return advance.resumed(view)
        return advance.cancelled(view, JobState.CANCELLED, "asked")
    except IllegalMove:
        return None


def _late(view: JobView, what: str) -> Changes | None:
    if what == "late done":
        return advance.after_all(view, advance.finished(view, Done({"x": 1})))
    if what == "late fail" and not view.undo:
        return advance.after_all(view, advance.failed(view, HostFailed("x")))
    return None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FLOWS)), st.lists(ACTS, max_size=40))
def test_no_course_of_events_makes_an_illegal_move(kind: str, acts: list[str]) -> None:
    view = job(kind)
    for what in acts:
        if view.state in JOB_FINAL:
            break
        changes = act(view, what)
        if changes is not None:
            view = after(view, changes)
    # Whatever happened, saying yes from here on ends the job.
    for _ in range(40):
        if view.state in JOB_FINAL:
            break
        changes = act(view, "resume" if view.state == JobState.STALLED else "done")
        assert changes is not None
        view = after(view, changes)
    assert view.state in JOB_FINAL


@pytest.mark.parametrize("step", [s.name for s in FLOWS["vm.create"].steps])
def test_a_failure_runs_every_undo_of_the_steps_reached_last_first(step: str) -> None:
    view = job(step=step)
    owed = [s.name for s in undo_path(FLOWS["vm.create"], step)]
    view = after(view, advance.failed(view, GuestFailed("x")))
    run = []
    while view.state not in JOB_FINAL:
        run.append(view.step)
        view = after(view, advance.finished(view, Done()))
    assert run == owed
    assert owed[-1] == "release"
    assert view.state == JobState.FAILED


def test_pauses_grow_and_are_told_ever_more_rarely() -> None:
    view, pauses, told = job(), [], 0
    for _ in range(16):
        changes = advance.again(view, TryAgain("x"), 100.0)
        assert changes.due_at is not None
        pauses.append(changes.due_at - 100.0)
        told += len(changes.events)
        view = after(view, changes)
    assert pauses == sorted(pauses)
    assert pauses[-1] == advance.LONGEST_PAUSE_S
    assert told == 5


def test_beyond_its_deadline_a_step_that_is_put_off_fails() -> None:
    view = job(step="build", deadline_at=50.0)
    assert advance.again(view, TryAgain("x"), 51.0).state == JobState.UNDOING


def test_a_failing_undo_stalls_so_that_people_look() -> None:
    view = job(state=JobState.UNDOING, undo=("release",), step="release")
    assert advance.failed(view, HostFailed("x")).state == JobState.STALLED


def test_what_answers_after_all_leaves_no_word_of_having_been_late_but_in_the_journal() -> None:
    view = job(step="start", state=JobState.STALLED, error={"code": "stalled"})
    done = advance.after_all(view, advance.finished(view, Done()))
    assert (done.step, done.error, done.events[0].kind) == ("boot", {}, "job.resumed")
    failed = advance.after_all(view, advance.failed(view, HostFailed("no room")))
    assert (failed.state, (failed.error or {})["detail"]) == (JobState.UNDOING, "no room")


def test_an_undo_that_answers_after_all_leaves_the_job_its_error() -> None:
    view = job(step="erase", state=JobState.STALLED, undo=("erase", "release"), error={"code": "no-image"})
    changes = advance.after_all(view, advance.finished(view, Done()))
    assert (changes.state, changes.step, changes.error) == (JobState.UNDOING, "release", None)


def test_a_deletion_can_not_be_cancelled() -> None:
    with pytest.raises(IllegalMove):
        advance.cancelled(job("vm.delete", step="erase"), JobState.CANCELLED, "x")


def test_a_step_and_an_undo_of_the_same_name_are_the_same() -> None:
    for flow in FLOWS.values():
        for name, undo in UNDO_STEPS.items():
            assert flow.step(name) is undo


def test_every_step_has_a_queue_and_every_undo_is_known() -> None:
    for flow in FLOWS.values():
        for step in flow.steps:
            assert step.queue in QUEUES
            assert not step.undo or step.undo in UNDO_STEPS


def test_only_a_vm_that_is_installed_waits_for_an_installer() -> None:
    plain = [step.name for step in FLOWS["vm.create"].taken({})]
    installed = [step.name for step in FLOWS["vm.create"].taken({"install": True})]
    assert plain == ["place", "build", "deploy", "start", "boot", "verify"]
    assert installed == ["place", "build", "deploy", "start", "install", "boot", "verify"]
    for params, following in (({}, "boot"), ({"install": True}, "install")):
        started = job(step="start", state=JobState.WAITING, params=params)
        assert advance.finished(started, Done()).step == following
