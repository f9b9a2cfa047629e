# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: every job with its phases, redrawn in place by rich."""

from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from innkeeper.cli.output import STATE_COLOURS
from innkeeper.cli.phases import Phase, View
from innkeeper.cli.words import clean, span
from innkeeper.models.job import FINAL_STATES, JobEvent

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
MARKS = {"done": ("✔", "green"), "failed": ("✘", "red"), "undone": ("↩", "yellow"), "pending": ("·", "dim")}
_FRAMES_A_SECOND = 10


class Screen:
    """Draws views until the block ends; the last picture stays on the terminal."""

    def __init__(self, out: TextIO):
        self._console = Console(file=out)
        self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, before: View, event: JobEvent) -> None:
        """Nothing to do: the next picture shows it."""

    def draw(self, views: list[View]) -> None:
        """A new picture of all jobs."""
        self._live.update(picture(views, datetime.now(UTC), self._console.height), refresh=True)


def picture(views: list[View], now: datetime, height: int) -> RenderableType:
    """Every job with its steps; where that doesn't fit into `height` lines, a line a job."""
    if sum(len(v.phases) + 1 for v in views) < height - 1:
        return Group(*(_full(view, now) for view in views))
    shown = sorted(views, key=lambda v: v.state in FINAL_STATES)[: max(height - 3, 1)]
    done = sum(v.state in FINAL_STATES for v in views)
    grid = _grid()
    for view in shown:
        step = view.running
        grid.add_row(_mark_of_job(view, now), _label(view), Text(step.name if step else ""), *_progress(step, now))
    return Group(grid, Text(f"{done} of {len(views)} finished", style="dim"))


def _full(view: View, now: datetime) -> RenderableType:
    grid = _grid()
    for phase in view.phases:
        grid.add_row(Text(" "), _mark(phase, now), Text(phase.name), *_progress(phase, now))
    return Group(_headline(view, now), grid)


def _headline(view: View, now: datetime) -> Text:
    """mark, label, kind, state, elapsed of expected, and the latest word."""
    line = _mark_of_job(view, now) + Text(" ") + _label(view) + Text(f"  {view.kind}  ", style="dim")
    line += Text(view.state, style=STATE_COLOURS.get(view.state, "cyan"))
    if view.began:
        line += Text(f"  {span(max(0.0, ((view.ended or now) - view.began).total_seconds()))}")
        if view.expected_s and view.state not in FINAL_STATES:
            line += Text(f" of about {span(view.expected_s)}", style="dim")
    if view.text:
        line += Text(f"  {clean(view.text)}", style="dim")
    if view.state == "stalled":
        line += Text(f"  your move: inn job retry|rollback|cancel {view.job}", style="yellow")
    line.truncate(10_000)
    return line


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(width=24)
    grid.add_column(no_wrap=True)
    return grid


def _label(view: View) -> Text:
    return Text(clean(view.label), style="bold")


def _mark(phase: Phase, now: datetime) -> Text:
    return _spin(now) if phase.state == "running" else Text(*MARKS.get(phase.state, MARKS["pending"]))


def _mark_of_job(view: View, now: datetime) -> Text:
    if view.state not in FINAL_STATES:
        return Text("!", "yellow") if view.state == "stalled" else _spin(now)
    return Text(*MARKS["done" if view.state == "succeeded" else "failed"])


def _spin(now: datetime) -> Text:
    return Text(SPINNER[int(now.timestamp() * _FRAMES_A_SECOND) % len(SPINNER)], style="cyan")


def _progress(phase: Phase | None, now: datetime) -> tuple[RenderableType, Text]:
    """A bar while it runs, dim where its length is guessed from the usual time; and the times."""
    if phase is None or phase.state == "pending":
        expected = phase.expected_s if phase else None
        return Text(""), Text(f"about {span(expected)}" if expected else "", style="dim")
    took = span(phase.elapsed(now)) if phase.started else ""
    if phase.state != "running":
        return Text(""), Text(took)
    share = phase.share(now)
    measured = phase.percent is not None
    times = took + (f" of about {span(phase.expected_s)}" if phase.expected_s else "")
    if share is None:
        return Text(""), Text(times)
    bar = ProgressBar(total=1.0, completed=share, width=24, complete_style="cyan" if measured else "dim cyan")
    return bar, Text(f"{share:4.0%}  {times}" if measured else times)
