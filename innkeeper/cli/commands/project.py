# SPDX-License-Identifier: Apache-2.0
"""inn project ..."""

from datetime import UTC, datetime
from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.words import age
from innkeeper.models.account import Project

QUOTAS = ("vms", "vcpus", "memory_mib", "disk_gib", "media_gib", "images")
ROLES = ("viewer", "member", "operator")
COLUMNS = (
    Column("NAME", lambda p: p.name),
    Column("YOUR ROLE", lambda p: p.role),
    Column("QUOTAS", lambda p: _quotas(p)),
    Column("AGE", lambda p: age(p.created_at, datetime.now(UTC))),
)
MEMBERS = (Column("USER", lambda m: m.username or m.user), Column("ROLE", lambda m: m.role))


class _Quota(click.ParamType[tuple[str, int | None]]):
    """NAME=NUMBER, or NAME=none to lift it."""

    name = "NAME=NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int | None]:
        if isinstance(value, tuple):
            return value
        name, _, figure = str(value).partition("=")
        if name not in QUOTAS:
            self.fail(f"{name!r} is no quota; there are {', '.join(QUOTAS)}", param, ctx)
        if figure == "none":
            return name, None
        if not (figure.isascii() and figure.isdigit()):
            self.fail(f"{value!r}: give a whole number, or none to lift it", param, ctx)
        return name, int(figure)


_QUOTA = click.option(
    "--quota", "quotas", type=_Quota(), multiple=True, help=f"How much it may hold: {', '.join(QUOTAS)}. Repeatable."
)


@click.group()
def project() -> None:
    """Spaces with members and quotas; everything belongs to one."""


@project.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """The projects you may see."""
    with session.client() as client:
        show(list(client.projects.list()), COLUMNS, form, empty="No projects.")


@project.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One project."""
    with session.client() as client:
        show_one(client.projects.find(name), _details, form)


@project.command()
@click.argument("name")
@click.option("--description", default="")
@_QUOTA
@shared.output
@click.pass_obj
def create(
    session: Session, name: str, description: str, quotas: tuple[tuple[str, int | None], ...], form: str
) -> None:
    """Make a project."""
    spec = {"name": name, "description": description, "quotas": dict(quotas)}
    with session.client() as client:
        show_one(client.projects.create(spec), _details, form)


@project.command()
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="What it is called from now on.")
@click.option("--description", help="What it is for.")
@_QUOTA
@shared.output
@click.pass_obj
def change(session: Session, /, name: str, form: str, quotas: tuple[tuple[str, int | None], ...], **more: Any) -> None:
    """Change its name, its description, or some of its quotas; the others stay."""
    changes: dict[str, Any] = {"name": more["new_name"], "description": more["description"]}
    changes = {key: value for key, value in changes.items() if value is not None}
    if quotas:
        changes["quotas"] = dict(quotas)
    if not changes:
        raise click.UsageError("nothing to change: give --name, --description or --quota")
    with session.client() as client:
        found = client.projects.find(name)
        show_one(client.projects.change(found.id, changes, etag=found.etag), _details, form)


@project.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Remove projects that nothing belongs to any more."""
    with session.client() as client:
        found = [client.projects.find(name) for name in names]
        sure(yes, f"delete {', '.join(one.name for one in found)}")
        for one in found:
            client.projects.delete(one.id, etag=one.etag)
            click.echo(f"{one.name} deleted")


@project.command()
@click.argument("name", metavar="PROJECT")
@shared.output
@click.pass_obj
def members(session: Session, name: str, form: str) -> None:
    """Who is in a project, and as what."""
    with session.client() as client:
        show(list(client.projects.members(client.projects.find(name).id)), MEMBERS, form, empty="No members.")


@project.command()
@click.argument("name", metavar="PROJECT")
@click.argument("user")
@click.argument("role", type=click.Choice((*ROLES, "none")))
@click.pass_obj
def member(session: Session, name: str, user: str, role: str) -> None:
    """Give USER a role in PROJECT: viewer, member or operator; or none, to take them out of it."""
    with session.client() as client:
        where, who = client.projects.find(name), client.users.find(user)
        if role == "none":
            client.projects.drop_member(where.id, who.id)
        else:
            client.projects.put_member(where.id, who.id, role)
    click.echo(f"{who.username} is {'not in' if role == 'none' else f'{role} of'} {where.name}")


def _quotas(p: Project) -> str:
    return ", ".join(f"{name}={value}" for name, value in p.quotas.items() if value is not None)


def _details(p: Project) -> str:
    return facts(
        [
            ("name", p.name),
            ("id", p.id),
            ("description", p.description),
            ("your role", p.role),
            ("quotas", _quotas(p) or "none"),
            ("age", age(p.created_at, datetime.now(UTC))),
        ]
    )
