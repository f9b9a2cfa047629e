# SPDX-License-Identifier: Apache-2.0
"""inn context ..."""

from dataclasses import replace

import click

from innkeeper.cli import contexts
from innkeeper.cli.output import Column, table
from innkeeper.cli.session import Session


@click.group()
def context() -> None:
    """Servers you have signed in to."""


@context.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """All contexts; the one in use has a star."""
    config = contexts.read(session.path)
    columns = (
        Column("", lambda item: "*" if item[0] == session.name(config) else " "),
        Column("NAME", lambda item: item[0]),
        Column("URL", lambda item: item[1].url),
        Column("USER", lambda item: item[1].username),
        Column("PROJECT", lambda item: item[1].project),
    )
    click.echo(table(list(config.contexts.items()), columns))


@context.command()
@click.argument("name")
@click.pass_obj
def use(session: Session, name: str) -> None:
    """Make NAME the context in use; with `inn --project P`, also its project."""
    with contexts.changing(session.path) as box:
        _known(box[0], name)
        if session.project:
            box[0] = box[0].having(name, replace(box[0].contexts[name], project=session.project))
        box[0] = replace(box[0], current=name)


@context.command()
@click.argument("name")
@click.pass_obj
def forget(session: Session, name: str) -> None:
    """Remove NAME with its tokens from this machine (`inn logout` ends the session at the server)."""
    with contexts.changing(session.path) as box:
        _known(box[0], name)
        box[0] = box[0].without(name)


def _known(config: contexts.Config, name: str) -> None:
    if name not in config.contexts:
        known = ", ".join(sorted(config.contexts)) or "none yet"
        raise click.UsageError(f"there is no context {name!r}; known: {known}")
