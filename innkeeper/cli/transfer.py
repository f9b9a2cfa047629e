# SPDX-License-Identifier: Apache-2.0
"""Bytes on their way: a bar on a terminal, a line for each tenth everywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from innkeeper.cli.words import size

Tell = Callable[[int, int], None]


@contextmanager
def shown(what: str, out: TextIO) -> Iterator[Tell]:
    """Tell `(bytes here, bytes altogether)` as often as you like; `what` is named before the bar."""
    if not out.isatty():
        yield _lines(what, out)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(True), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=out)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda here, total: progress.update(task, completed=here, total=total)


def _lines(what: str, out: TextIO) -> Tell:
    told = -1

    def tell(here: int, total: int) -> None:
        nonlocal told
        tenth = 10 * here // total if total else 10
        if tenth != told:
            told = tenth
            out.write(f"{what}: {10 * tenth}% of {size(total)}\n")
            out.flush()

    return tell
