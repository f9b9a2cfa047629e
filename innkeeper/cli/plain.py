# SPDX-License-Identifier: Apache-2.0
"""Progress as plain lines, one an event, for pipes and logs: no escape codes, nothing rewritten."""

from datetime import UTC, datetime
from typing import TextIO

from innkeeper.cli.phases import View, happened
from innkeeper.cli.words import clean
from innkeeper.models.job import PROGRESS, JobEvent

# Progress comes many times a second; a log wants a line for each tenth.
_EVERY_PERCENT = 10


class PlainLines:
    """Writes each event as `time label kind step: text`."""

    def __init__(self, out: TextIO):
        self._out = out

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def event(self, before: View, event: JobEvent) -> None:
        """Tell one event; `before` is the view it happened to."""
        if event.kind != PROGRESS or _next_tenth(before, event):
            self._out.write(line(before.label, event) + "\n")
            self._out.flush()

    def draw(self, views: list[View]) -> None:
        """Nothing to redraw here."""


def line(label: str, event: JobEvent) -> str:
    """One event as one line of printable text."""
    at = (event.at or datetime.now(UTC)).astimezone(UTC).strftime("%H:%M:%SZ")
    percent = f"{event.percent:.0f}%" if event.percent is not None else ""
    words = " ".join(w for w in (at, label, event.kind, event.step, percent) if w)
    text = f"{words}: {event.text}" if event.text else words
    if event.kind == "job.stalled":
        text += f" (your move: inn job retry|rollback|cancel {event.job})"
    return clean(text)


def _next_tenth(before: View, event: JobEvent) -> bool:
    now = datetime.now(UTC)
    old = next((p.percent or 0.0 for p in before.phases if p.name == event.step), 0.0)
    new = next((p.percent or 0.0 for p in happened(before, event, now).phases if p.name == event.step), 0.0)
    return new // _EVERY_PERCENT > old // _EVERY_PERCENT
