# SPDX-License-Identifier: Apache-2.0
"""inn token ..."""

import re
from datetime import UTC, datetime

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.words import age, span
from innkeeper.models.account import ApiToken

SCOPES = ("read", "write", "operate", "admin")
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
COLUMNS = (
    Column("NAME", lambda t: t.name),
    Column("SCOPES", lambda t: ", ".join(t.scopes)),
    Column("PROJECT", lambda t: t.project or "all of yours"),
    Column("EXPIRES", lambda t: _left(t.expires_at)),
    Column("LAST USED", lambda t: f"{age(t.last_used_at, datetime.now(UTC))} ago" if t.last_used_at else "never"),
)


class _Lifetime(click.ParamType[int]):
    """A number of minutes, hours or days, in seconds."""

    name = "90d"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"([0-9]{1,6})([mhd])", str(value))
        if not found:
            self.fail(f"{value!r}: give a number of minutes, hours or days, such as 30m, 12h or 90d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.group()
def token() -> None:
    """Your API tokens: for scripts and machines, with fewer rights than yours."""


@token.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """Your tokens, without their secrets."""
    with session.client() as client:
        show(list(client.tokens.list()), COLUMNS, form, empty="No tokens: inn token create NAME --scope write")


@token.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One token, without its secret."""
    with session.client() as client:
        show_one(client.tokens.find(name), _details, form)


@token.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default="write", show_default=True, help="What it may do at most.")
@click.option("--in", "project", metavar="PROJECT", help="Only in this project.")
@click.option("--expires-in", type=_Lifetime(), default="90d", show_default=True, help="How long it lives.")
@shared.output
@click.pass_obj
def create(session: Session, /, name: str, scope: str, project: str | None, expires_in: int, form: str) -> None:
    """Make a token. Its secret is printed this once: keep it, for example in INN_TOKEN."""
    spec = {"name": name, "scopes": [scope], "expires_in": expires_in, **({"project": project} if project else {})}
    with session.client() as client:
        made = client.tokens.create(spec)
    if form != "table":
        show_one(made, _details, form)
        return
    click.echo(made.token)
    click.echo("This secret is shown once. INN_TOKEN=... has `inn` use it.", err=True)


@token.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Make tokens worthless, at once."""
    with session.client() as client:
        found = [client.tokens.find(name) for name in names]
        sure(yes, f"delete {', '.join(one.name for one in found)}")
        for one in found:
            client.tokens.delete(one.id)
            click.echo(f"{one.name} deleted")


def _left(until: datetime | None) -> str:
    if until is None:
        return ""
    seconds = (until - datetime.now(UTC)).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else "expired"


def _details(t: ApiToken) -> str:
    return facts([("name", t.name), ("id", t.id), *((c.heading.lower(), c.cell(t)) for c in COLUMNS[1:])])
