# SPDX-License-Identifier: Apache-2.0
"""inn volume ..."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import age
from innkeeper.models.job import Job
from innkeeper.models.volume import Volume

if TYPE_CHECKING:
    from innkeeper.client import Client

COLUMNS = (
    Column("NAME", lambda v: v.name),
    Column("STATE", lambda v: v.state, state=True),
    Column("SIZE", lambda v: f"{v.size_gib} GiB"),
    Column("DATASTORE", lambda v: v.datastore),
    Column("VM", lambda v: v.vm),
    Column("KEPT", lambda v: "yes" if v.keep else ""),
    Column("AGE", lambda v: age(v.created_at, datetime.now(UTC))),
)
_KEEP = click.option("--keep", is_flag=True, help="It stays when its vm is deleted.")
_SIZE = click.argument("size", type=click.IntRange(min=1), metavar="GIB")


@click.group()
def volume() -> None:
    """Disks with a life of their own."""


@volume.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The project's volumes, plugged in or kept."""
    with session.client() as client:
        show(list(client.volumes.list()), COLUMNS, form, empty="No volumes yet: inn volume create VM GIB")


@volume.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One volume."""
    with session.client() as client:
        show_one(client.volumes.find(name), _details, form)


@volume.command()
@click.argument("vm")
@_SIZE
@click.option("--name", default="", help="Unique in the project; made up when left out.")
@_KEEP
@click.option(
    "--datastore", default="", help="Where it shall lie: one of the host's (inn host show), else its own disk."
)
@shared.waiting
@shared.output
@click.pass_obj
def create(session: Session, /, vm: str, size: int, name: str, keep: bool, datastore: str, **more: Any) -> None:
    """Make a volume of so many GiB and plug it into VM, running or not."""
    with session.client() as client:
        found = client.vms.find(vm)
        job = client.volumes.create(found.id, size, name=name, keep=keep, datastore=datastore)
        _ended(client, job, found.name, more)


@volume.command()
@click.argument("vm")
@click.argument("name", metavar="VOLUME")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Whether it stays when its vm is deleted.")
@shared.waiting
@shared.output
@click.pass_obj
def attach(session: Session, /, vm: str, name: str, keep: bool, **more: Any) -> None:
    """Plug a volume that was kept into VM, running or not."""
    with session.client() as client:
        _ended(client, client.volumes.attach(client.vms.find(vm).id, name, keep=keep), name, more)


@volume.command()
@click.argument("name", metavar="VOLUME")
@_SIZE
@shared.waiting
@shared.output
@click.pass_obj
def grow(session: Session, /, name: str, size: int, **more: Any) -> None:
    """Make a volume this large; its file systems are the guest's matter."""
    _do(session, name, lambda client, found: client.volumes.grow(_plugged(found), size), more)


@volume.command()
@click.argument("name", metavar="VOLUME")
@shared.waiting
@shared.output
@click.pass_obj
def detach(session: Session, /, name: str, **more: Any) -> None:
    """Take a volume off its vm and keep it."""
    _do(session, name, lambda client, found: client.volumes.detach(_plugged(found)), more)


@volume.command()
@click.argument("name", metavar="VOLUME")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@shared.waiting
@shared.output
@click.pass_obj
def delete(session: Session, /, name: str, yes: bool, **more: Any) -> None:
    """Remove a volume with all that is on it, off its vm first where one has it."""
    sure(yes, f"delete {name} with all that is on it")
    _do(session, name, lambda client, found: client.volumes.delete(found), more)


def _do(session: Session, name: str, act: "Callable[[Client, Volume], Job]", more: dict[str, Any]) -> None:
    with session.client() as client:
        found = client.volumes.find(name)
        _ended(client, act(client, found), found.name, more)


def _ended(client: "Client", job: Job, name: str, more: dict[str, Any]) -> None:
    if not more["wait"]:
        click.echo(job.id)
        return
    followed(client, {job.id: name}, more["form"], more["timeout"])


def _plugged(found: Volume) -> Volume:
    if not found.vm:
        raise click.UsageError(f"volume {found.name} is {found.state}, and plugged into no vm")
    return found


def _details(v: Volume) -> str:
    return facts(
        [
            ("name", v.name),
            ("id", v.id),
            ("state", v.state),
            ("size", f"{v.size_gib} GiB"),
            ("vm", v.vm),
            ("stays without it", "yes" if v.keep else "no"),
            ("serial in the guest", v.serial),
            ("host", v.host),
            ("datastore", v.datastore),
            ("created", v.created_at.isoformat(timespec="seconds") if v.created_at else ""),
        ]
    )
