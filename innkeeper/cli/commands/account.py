# SPDX-License-Identifier: Apache-2.0
"""inn login, logout, whoami"""

from dataclasses import replace

import click

from innkeeper.cli import contexts
from innkeeper.cli import options as shared
from innkeeper.cli.asking import password as asked_password
from innkeeper.cli.contexts import DEFAULT_URL, Context
from innkeeper.cli.output import as_json, as_yaml, facts
from innkeeper.cli.session import Session, connected


@click.command()
@click.argument("url", required=False)
@click.option("-u", "--username", prompt=True, help="Your name at the server.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def login(session: Session, url: str | None, username: str, password_stdin: bool) -> None:
    """Sign in to the server at URL and remember it.

    The password is asked for, or read with --password-stdin; it is never an argument and never stored.
    """
    name = session.name(contexts.read(session.path))
    known = contexts.read(session.path).contexts.get(name, Context())
    target = (url or session.url or known.url or DEFAULT_URL).rstrip("/")
    password = asked_password(password_stdin, again=False)
    with connected(target) as client:
        tokens = client.login(username, password)
    project = session.project or (known.project if known.url == target else "")
    made = Context(target, username, project, tokens.access_token, tokens.refresh_token)
    with contexts.changing(session.path) as box:
        box[0] = replace(box[0].having(name, made), current=name)
    click.echo(f"Signed in to {target} as {username} (context {name}).")


@click.command()
@click.pass_obj
def logout(session: Session) -> None:
    """End the session at the server and forget its tokens."""
    with session.client() as client:
        client.logout()
    with contexts.changing(session.path) as box:
        name = session.name(box[0])
        if name in box[0].contexts:
            box[0] = box[0].having(name, replace(box[0].contexts[name], access_token="", refresh_token=""))
    click.echo("Signed out.")


@click.command()
@shared.output
@click.pass_obj
def whoami(session: Session, form: str) -> None:
    """Who is signed in, where, and in which projects."""
    chosen = session.chosen()
    with session.client() as client:
        me = client.me()
    if form in ("json", "yaml"):
        click.echo(as_json(me) if form == "json" else as_yaml(dict(me)).rstrip())
        return
    username = str(me.get("username") or me.get("id") or "")
    projects = [f"{p.get('name') or p.get('id')} ({p.get('role', '?')})" for p in me.get("projects") or ()]
    lines = [
        ("user", username),
        ("role", "admin" if me.get("admin") else ""),
        ("server", chosen.url),
        ("project", chosen.project),
        ("projects", ", ".join(projects)),
    ]
    click.echo(username if form == "name" else facts(lines))
