# SPDX-License-Identifier: Apache-2.0
"""inn vm console-log, inn vm screenshot: what can be seen of a vm from outside."""

import sys
from pathlib import Path

import click

from innkeeper.cli.session import Session
from innkeeper.cli.words import lines

_of_job = click.option(
    "--job", default="", metavar="ID", help="What was kept when this job stalled or failed, rather than a new look."
)


@click.command("console-log")
@click.argument("name")
@_of_job
@click.pass_obj
def console_log(session: Session, name: str, job: str) -> None:
    """The end of a vm's serial console."""
    with session.client() as client:
        text = client.vms.console_log(client.vms.find(name).id, job=job)
    for line in lines(text):
        click.echo(line)


@click.command()
@click.argument("name")
@_of_job
@click.option("-o", "--out", metavar="FILE", help="Where to put the PNG; - is standard output. Default: NAME.png")
@click.pass_obj
def screenshot(session: Session, name: str, job: str, out: str | None) -> None:
    """A picture of a vm's screen."""
    with session.client() as client:
        vm = client.vms.find(name)
        picture = client.vms.screenshot(vm.id, job=job)
    if out == "-":
        sys.stdout.buffer.write(picture)
        return
    path = Path(out or f"{vm.name}.png")
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise click.UsageError(f"--out: {path}: {error.strerror}") from error
    click.echo(str(path))
