# SPDX-License-Identifier: Apache-2.0
"""What every command does with the job it caused: print its id and go, or follow it and judge how it ended."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from innkeeper.cli.live import follow
from innkeeper.cli.options import progress_to
from innkeeper.errors import JobFailed
from innkeeper.models.job import Job

if TYPE_CHECKING:
    from innkeeper.client import Client


def followed(client: "Client", labels: Mapping[str, str], form: str, timeout: float | None = None) -> dict[str, Job]:
    """The jobs (id -> label) once all are final; raises JobFailed for the first that did not succeed.

    Ctrl-C ends the following, not the jobs.
    """
    try:
        ended = follow(client, labels, labels, progress_to(form), timeout)
    except KeyboardInterrupt:
        click.echo(f"\nNot stopped, only no longer followed: inn job watch {' '.join(labels)}", err=True)
        raise
    for job in ended.values():
        if not job.succeeded:
            raise JobFailed(job)
    return ended
