# SPDX-License-Identifier: Apache-2.0
"""inn admin ..."""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.exits import Exit
from innkeeper.cli.output import Column, show_one, table
from innkeeper.cli.session import Session
from innkeeper.models.audit import Audit

COLUMNS = (
    Column("KIND", lambda o: o.kind),
    Column("NAME", lambda o: o.name),
    Column("HOST", lambda o: o.host),
    Column("VM", lambda o: o.vm),
    Column("WHY", lambda o: o.reason),
)


@click.group()
def admin() -> None:
    """What administrators look after."""


@admin.command()
@click.option("--wait", "seconds", type=click.FloatRange(0, 60), default=10.0, show_default=True, metavar="SECONDS")
@shared.output
@click.pass_obj
def audit(session: Session, seconds: float, form: str) -> int:
    """List what nobody owns: on every host, read anew, and in the tables. Exit code 1 where there is any.

    Where a host could not be read the exit code is 9: nobody knows what it has.
    """
    with session.client() as client:
        found = client.audit.orphans(wait=seconds)
    show_one(found, _told, form)
    if found.orphans:
        return int(Exit.GENERAL)
    return int(Exit.OK if found.complete else Exit.UNREACHABLE)


def _told(found: Audit) -> str:
    read = [host for host in found.hosts if host.read]
    things = sum(host.things for host in read)
    lines = (
        [table(found.orphans, COLUMNS)]
        if found.orphans
        else [f"Everything is owned: {things} things on {len(read)} hosts."]
    )
    lines += [f"{host.name} was not read: {host.note}" for host in found.hosts if not host.read]
    return "\n".join(lines)
