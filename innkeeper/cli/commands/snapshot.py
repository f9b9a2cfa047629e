# SPDX-License-Identifier: Apache-2.0
"""inn vm snapshot ..."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, show
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import age, memory
from innkeeper.models.snapshot import Snapshot

if TYPE_CHECKING:
    from innkeeper.client import Client

COLUMNS = (
    Column("NAME", lambda row: row[0] + row[1].name),
    Column("CURRENT", lambda row: "*" if row[1].current else ""),
    Column("STATE", lambda row: row[1].state, state=True),
    Column("MEMORY", lambda row: memory(row[1].memory_mib) if row[1].memory else ""),
    Column("AGE", lambda row: age(row[1].created_at, datetime.now(UTC))),
)
PLAIN = (
    Column("NAME", lambda s: s.name),
    Column("STATE", lambda s: s.state, state=True),
)


@click.group()
def snapshot() -> None:
    """What a vm was: keep it, go back to it."""


@snapshot.command("list")
@click.argument("vm")
@shared.output
@click.pass_obj
def list_(session: Session, vm: str, form: str) -> None:
    """The snapshots of a vm, as a tree."""
    with session.client() as client:
        found = list(client.vms.snapshots(client.vms.find(vm).id).list())
    if form == "table":
        show(list(_tree(found)), COLUMNS, form, empty=f"No snapshots yet: inn vm snapshot create {vm} NAME")
    else:
        show(found, PLAIN, form)


@snapshot.command()
@click.argument("vm")
@click.argument("name")
@click.option("--memory/--no-memory", default=None, help="With the memory of a vm that runs; default: if its host can.")
@shared.waiting
@click.pass_obj
def create(session: Session, vm: str, name: str, memory: bool | None, wait: bool, timeout: float | None) -> None:
    """Keep what a vm is now."""
    with session.client() as client:
        found = client.vms.find(vm)
        job = client.vms.snapshots(found.id).take(name, memory=memory)
        _end(client, job.id, found.name, wait, timeout)


@snapshot.command()
@click.argument("vm")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@shared.waiting
@click.pass_obj
def revert(session: Session, vm: str, name: str, yes: bool, wait: bool, timeout: float | None) -> None:
    """Make a vm what it was; what it is now is lost."""
    sure(yes, f"revert {vm} to {name}, and lose what it is now")
    with session.client() as client:
        found = client.vms.find(vm)
        those = client.vms.snapshots(found.id)
        _end(client, those.revert(those.find(name).id).id, found.name, wait, timeout)


@snapshot.command()
@click.argument("vm")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@shared.waiting
@click.pass_obj
def delete(session: Session, vm: str, name: str, yes: bool, wait: bool, timeout: float | None) -> None:
    """Keep a snapshot no longer; those that were taken after it stay."""
    sure(yes, f"delete the snapshot {name} of {vm}")
    with session.client() as client:
        found = client.vms.find(vm)
        those = client.vms.snapshots(found.id)
        _end(client, those.delete(those.find(name).id).id, found.name, wait, timeout)


def _end(client: "Client", job: str, name: str, wait: bool, timeout: float | None) -> None:
    if wait:
        followed(client, {job: name}, "table", timeout)
    else:
        click.echo(job)


def _tree(found: Iterable[Snapshot], parent: str = "", depth: int = 0) -> Iterator[tuple[str, Snapshot]]:
    """Each with its indentation, below the one that it was taken after."""
    rows = list(found)
    known = {row.id for row in rows}
    for row in rows:
        if row.parent == parent or (not parent and row.parent not in known):
            yield "  " * depth, row
            yield from _tree([other for other in rows if other.id != row.id], row.id, depth + 1)
