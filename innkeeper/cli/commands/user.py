# SPDX-License-Identifier: Apache-2.0
"""inn user ..."""

from datetime import UTC, datetime
from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import password as asked_password
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.words import age
from innkeeper.models.account import User

COLUMNS = (
    Column("NAME", lambda u: u.username),
    Column("ROLE", lambda u: u.role or "none"),
    Column("SIGNS IN", lambda u: "no, disabled" if u.disabled else "yes"),
    Column("PROJECTS", lambda u: ", ".join(f"{p.name} ({p.role})" for p in u.projects)),
    Column("AGE", lambda u: age(u.created_at, datetime.now(UTC))),
)
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def user() -> None:
    """People and machines that sign in; for admins, but for your own password."""


@user.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """All users."""
    with session.client() as client:
        show(list(client.users.list()), COLUMNS, form, empty="No users.")


@user.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One user, and their roles in projects."""
    with session.client() as client:
        show_one(client.users.find(name), _details, form)


@user.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="May do everything, in every project.")
@_STDIN
@shared.output
@click.pass_obj
def create(session: Session, name: str, admin: bool, password_stdin: bool, form: str) -> None:
    """Make a user. The password is asked for, never an argument; give roles by `inn project member`."""
    secret = asked_password(password_stdin, f"Password of {name}")
    with session.client() as client:
        show_one(client.users.create({"username": name, "password": secret, "admin": admin}), _details, form)


@user.command()
@click.argument("name", required=False)
@_STDIN
@click.pass_obj
def passwd(session: Session, name: str | None, password_stdin: bool) -> None:
    """Set the password of NAME, or change your own: then the old one is asked for first.

    With --password-stdin the first line is your old password where it is your own you change, then the new one.
    """
    with session.client() as client:
        me = client.me()
        own = name is None or name in (me.get("username"), me.get("id"))
        changes: dict[str, Any] = {}
        if own:
            changes["current_password"] = asked_password(password_stdin, "Your password as it is", again=False)
        changes["password"] = asked_password(password_stdin, "New password")
        user_id = str(me.get("id")) if own else client.users.find(str(name)).id
        found = client.users.change(user_id, changes)
    click.echo(f"{found.username} has a new password; their other sessions are over.")


def _switch(word: str, text: str, changes: dict[str, bool]) -> None:
    @user.command(word, help=text)
    @click.argument("names", nargs=-1, required=True, metavar="NAME...")
    @shared.output
    @click.pass_obj
    def switch(session: Session, names: tuple[str, ...], form: str) -> None:
        with session.client() as client:
            found = [client.users.find(name) for name in names]
            show([client.users.change(one.id, changes, etag=one.etag) for one in found], COLUMNS, form)


_switch("disable", "Refuse to sign them in, and end their sessions; what is theirs stays.", {"disabled": True})
_switch("enable", "Let them sign in again.", {"disabled": False})
_switch("promote", "Make them admins.", {"admin": True})
_switch("demote", "Make them admins no more; their roles in projects stay.", {"admin": False})


@user.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Remove users; vms they made stay with their project."""
    with session.client() as client:
        found = [client.users.find(name) for name in names]
        sure(yes, f"delete {', '.join(one.username for one in found)}")
        for one in found:
            client.users.delete(one.id, etag=one.etag)
            click.echo(f"{one.username} deleted")


def _details(u: User) -> str:
    return facts([("name", u.username), ("id", u.id), *((c.heading.lower(), c.cell(u)) for c in COLUMNS[1:])])
