# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows of a job, from its events alone."""

import io
import os
import pty
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from innkeeper.cli.live import follow
from innkeeper.cli.phases import View, closed, happened, opened
from innkeeper.cli.plain import PlainLines
from innkeeper.cli.screen import picture
from innkeeper.client import Client
from innkeeper.models.job import Job, JobEvent
from innkeeper.models.shape import load
from tests.support.canned_api import CannedApi, Reply, message, stream

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
STEPS = [{"name": "place"}, {"name": "build", "expected_s": 20}, {"name": "erase", "undo": True}]
JOB = load(Job, {"id": "j1", "kind": "vm.create", "state": "queued", "steps": STEPS, "created_at": NOW.isoformat()})


def after(*kinds: tuple[str, dict[str, Any]]) -> View:
    view = opened(JOB, "web-1")
    for n, (kind, data) in enumerate(kinds):
        event = load(JobEvent, {"kind": kind, "job": "j1", "at": (NOW + timedelta(seconds=n)).isoformat()} | data)
        view = happened(view, event, NOW)
    return view


def states(view: View) -> dict[str, str]:
    return {p.name: p.state for p in view.phases}


def drawn(*views: View, height: int = 40, at: float = 12) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    with console.capture() as caught:
        console.print(picture(list(views), NOW + timedelta(seconds=at), height))
    return caught.get()


Told = tuple[tuple[str, dict[str, Any]], ...]
BUILDING: Told = (
    ("job.queued", {}),
    ("step.started", {"step": "place"}),
    ("step.finished", {"step": "place"}),
    ("step.started", {"step": "build", "text": "making the image"}),
)


def test_events_move_the_steps() -> None:
    assert states(opened(JOB)) == {"place": "pending", "build": "pending"}
    view = after(*BUILDING)
    assert states(view) == {"place": "done", "build": "running"}
    assert view.running is not None
    assert view.running.elapsed(NOW + timedelta(seconds=12)) == 9


def test_progress_is_measured_else_guessed_from_the_usual_time() -> None:
    guessed = after(*BUILDING).phases[1]
    assert guessed.share(NOW + timedelta(seconds=13)) == 0.5
    assert guessed.share(NOW + timedelta(seconds=99)) == 0.99
    measured = after(*BUILDING, ("progress", {"step": "build", "percent": 30})).phases[1]
    assert measured.share(NOW + timedelta(seconds=99)) == 0.3


def test_an_undo_is_added_when_it_begins() -> None:
    failing: Told = (("step.failed", {"step": "build"}), ("undo.started", {}), ("step.started", {"step": "erase"}))
    view = after(*BUILDING, *failing)
    assert states(view) == {"place": "done", "build": "failed", "erase": "running"}


def test_a_retry_begins_anew() -> None:
    view = after(*BUILDING, ("step.failed", {"step": "build"}), ("job.failed", {}), ("job.queued", {}))
    assert states(view) == {"place": "pending", "build": "pending"}
    assert (view.state, view.ended) == ("queued", None)


def test_the_job_s_record_has_the_last_word() -> None:
    error = {"title": "The image could not be made", "detail": "no space"}
    steps = [{"name": "place", "state": "undone"}, {"name": "build", "state": "failed"}]
    final = load(Job, {"id": "j1", "kind": "vm.create", "state": "failed", "steps": steps, "error": error})
    view = closed(after(*BUILDING), final)
    assert states(view) == {"place": "undone", "build": "failed"}
    assert view.text == "The image could not be made: no space"


def test_an_event_kind_from_a_newer_server_is_only_text() -> None:
    view = after(*BUILDING, ("step.admired", {"step": "build", "text": "how nice"}))
    assert (states(view)["build"], view.text) == ("running", "how nice")


def test_a_picture_shows_marks_bars_elapsed_and_expected_times() -> None:
    shown = drawn(after(*BUILDING, ("progress", {"step": "build", "percent": 45})))
    assert "web-1  vm.create  running  12s" in shown
    assert "✔ place" in shown
    assert "45%  9.0s of about 20s" in shown
    assert "erase" not in shown


def test_many_jobs_get_a_line_each_and_never_more_lines_than_the_terminal_has() -> None:
    views = [after(*BUILDING) for _ in range(50)]
    shown = drawn(*views, height=20).splitlines()
    assert len(shown) < 20
    assert shown[-1].strip() == "0 of 50 finished"


def test_a_hostile_guest_cannot_move_the_cursor() -> None:
    shown = drawn(after(*BUILDING, ("guest.phase", {"text": "\x1b[2Jboot [red]x[/red]\nnext"})))
    assert "\x1b" not in shown
    assert "?[2Jboot [red]x[/red] next" in shown


def test_a_log_gets_a_line_for_each_tenth_of_progress() -> None:
    out = io.StringIO()
    lines, view = PlainLines(out), after(*BUILDING)
    for percent in range(0, 101):
        event = load(JobEvent, {"kind": "progress", "step": "build", "percent": percent, "at": NOW.isoformat()})
        lines.event(view, event)
        view = happened(view, event, NOW)
    assert out.getvalue().splitlines() == [f"12:00:00Z web-1 progress build {n}%" for n in range(10, 101, 10)]


def test_follow_tells_of_several_jobs_and_returns_how_each_ended(api: CannedApi, client: Client) -> None:
    for job, last in (("j1", "succeeded"), ("j2", "failed")):
        record = {"id": job, "kind": "vm.create", "state": "queued"}
        api.on(f"GET /v1/jobs/{job}", Reply(200, record), Reply(200, record | {"state": last}))
        events = stream(message(1, "job.queued"), message(2, f"job.{last}"))
        api.on(f"GET /v1/jobs/{job}/events", events, Reply(200, {"items": [], "next": None}))
    out = io.StringIO()
    ended = follow(client, ["j1", "j2", "j1"], {"j1": "web-1"}, out)
    assert {job: j.state for job, j in ended.items()} == {"j1": "succeeded", "j2": "failed"}
    assert sorted(out.getvalue().splitlines()) == [
        "12:00:00Z j2 job.failed",
        "12:00:00Z j2 job.queued",
        "12:00:00Z web-1 job.queued",
        "12:00:00Z web-1 job.succeeded",
    ]


def test_a_terminal_gets_a_picture_redrawn_in_place(
    api: CannedApi, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    record = {"id": "j1", "kind": "vm.create", "state": "queued", "steps": [{"name": "place"}]}
    final = record | {"state": "succeeded", "steps": [{"name": "place", "state": "done"}]}
    api.on("GET /v1/jobs/j1", Reply(200, record), Reply(200, final))
    api.on("GET /v1/jobs/j1/events", stream(message(1, "job.succeeded")), Reply(200, {"items": [], "next": None}))
    near, far = pty.openpty()
    with os.fdopen(far, "w", encoding="utf-8") as terminal:
        follow(client, ["j1"], {"j1": "web-1"}, terminal)
        terminal.flush()
        shown = os.read(near, 65536).decode()
    os.close(near)
    assert "\x1b[" in shown
    assert "✔" in shown
    assert "succeeded" in shown
