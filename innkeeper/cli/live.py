# SPDX-License-Identifier: Apache-2.0
"""Following jobs until all are final: live phases on a terminal, plain lines everywhere else."""

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, Queue
from typing import TYPE_CHECKING, Protocol, TextIO

from innkeeper.cli.phases import View, closed, happened, opened
from innkeeper.cli.plain import PlainLines
from innkeeper.models.job import Job, JobEvent

if TYPE_CHECKING:
    from innkeeper.client import Client

_REDRAW_S = 0.1


class Display(Protocol):
    """Where progress is told: a screen or plain lines."""

    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> None: ...
    def event(self, before: View, event: JobEvent) -> None:
        """One event, and the view it happened to."""

    def draw(self, views: list[View]) -> None:
        """All jobs as they are now."""


@dataclass(frozen=True)
class _News:
    """What a watching thread tells: an event, the final job, or why it gave up."""

    job: str
    event: JobEvent | None = None
    final: Job | None = None
    error: Exception | None = None


def follow(
    client: "Client",
    job_ids: Iterable[str],
    labels: Mapping[str, str] | None = None,
    out: TextIO | None = None,
    timeout: float | None = None,
) -> dict[str, Job]:
    """Show the jobs (each by its label, else its id) until all are final; every job as it ended, by id.

    Success or not is for the caller to see. Raises WaitTimeout, NotFound, Unreachable; the jobs go on.
    """
    out = out or sys.stdout
    jobs = [client.jobs.get(job_id) for job_id in dict.fromkeys(job_ids)]
    views = {job.id: opened(job, (labels or {}).get(job.id, "")) for job in jobs}
    news: Queue[_News] = Queue()
    stop = threading.Event()
    for job in jobs:
        threading.Thread(target=_watch, args=(client, job.id, timeout, news, stop), daemon=True).start()
    try:
        with _display(out) as display:
            return _told(display, views, news)
    finally:
        stop.set()


def _told(display: Display, views: dict[str, View], news: Queue[_News]) -> dict[str, Job]:
    """Tell the news until every job has ended."""
    ended: dict[str, Job] = {}
    drawn = 0.0
    while len(ended) < len(views):
        try:
            item = news.get(timeout=_REDRAW_S)
        except Empty:
            item = None
        if item:
            _apply(item, display, views, ended)
        if time.monotonic() - drawn >= _REDRAW_S or len(ended) == len(views):
            display.draw(list(views.values()))
            drawn = time.monotonic()
    return ended


def _apply(item: _News, display: Display, views: dict[str, View], ended: dict[str, Job]) -> None:
    view = views[item.job]
    if item.error:
        raise item.error
    if item.event:
        display.event(view, item.event)
        views[item.job] = happened(view, item.event, datetime.now(UTC))
    if item.final:
        views[item.job] = closed(view, item.final)
        ended[item.job] = item.final


def _watch(client: "Client", job_id: str, timeout: float | None, news: "Queue[_News]", stop: threading.Event) -> None:
    try:
        for event in client.jobs.watch(job_id, timeout=timeout):
            if stop.is_set():
                return
            news.put(_News(job_id, event=event))
        news.put(_News(job_id, final=client.jobs.get(job_id)))
    except Exception as error:  # noqa: BLE001 - raised again by the thread that reads the news
        news.put(_News(job_id, error=error))


def _display(out: TextIO) -> "Screen | PlainLines":
    """rich is imported only where there is a terminal to draw on."""
    if not out.isatty() or not _draws(out):
        return PlainLines(out)
    from innkeeper.cli.screen import Screen

    return Screen(out)


def _draws(out: TextIO) -> bool:
    """Whether the terminal understands cursor movement and the signs we draw."""
    import os

    return os.environ.get("TERM", "") not in ("", "dumb") and "utf" in (out.encoding or "").lower()


if TYPE_CHECKING:
    from innkeeper.cli.screen import Screen
