# SPDX-License-Identifier: Apache-2.0
"""`python -m services.api.admin create-admin`: the first admin, who makes the others through the API."""

import os
import secrets
import time
from pathlib import Path

import click
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from services.api import grammar
from services.api.passwords import Passwords
from services.common.contracts.ids import new_id
from services.common.store.database import database_from_url
from services.common.store.models import Membership, Project, User

PROJECT = "default"


@click.group()
def main() -> None:
    """Administer an installation without its API, on the database of INNKEEPER_DATABASE_URL."""


@main.command("create-admin")
@click.option("--username", required=True)
@click.option(
    "--password-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Holds the password; made with a random one, mode 0600, where it does not exist.",
)
def create_admin(username: str, password_file: Path) -> None:
    """Make an admin, or make an existing user one with the file's password. May be repeated."""
    url = os.environ.get("INNKEEPER_DATABASE_URL")
    if not url:
        raise click.ClickException("INNKEEPER_DATABASE_URL is not set")
    _checked(grammar.account_name, username, "--username")
    password = _password(password_file)
    database = database_from_url(url)
    try:
        with database.write() as db:
            done = ensure_admin(db, username, password, Passwords())
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        hint = "is the schema there? python -m services.common.store.migrate"
        raise click.ClickException(f"the database refused: {reason} ({hint})") from error
    finally:
        database.close()
    click.echo(f"{username} {done}")


def ensure_admin(db: Session, username: str, password: str, passwords: Passwords) -> str:
    """Make the user an enabled admin with this password and a role in the default project; says what was done."""
    now = time.time()
    user = db.scalars(select(User).where(User.username == username)).first()
    if user is None:
        user = User(id=new_id(), username=username, password_hash="", created_at=now, updated_at=now, token_epoch=0)
        db.add(user)
        done = "was made an admin"
    else:
        done = "is an admin" if user.is_admin and not user.disabled else "has become an admin"
    user.is_admin, user.disabled = True, False
    if not user.password_hash or not passwords.right(user.password_hash, password):
        done += " with the password of the file"
        user.password_hash = passwords.hash(password)
        user.token_epoch += 1
        user.updated_at = now
    db.flush()
    _joined(db, user, now)
    return done


def _joined(db: Session, user: User, now: float) -> None:
    project = db.scalars(select(Project).where(Project.name == PROJECT)).first()
    if project is None:
        project = Project(id=new_id(), name=PROJECT, description="", quotas={}, created_at=now, updated_at=now)
        db.add(project)
        db.flush()
    member = db.get(Membership, (project.id, user.id))
    if member is None:
        db.add(Membership(project_id=project.id, user_id=user.id, role="operator"))
    else:
        member.role = "operator"


def _password(path: Path) -> str:
    """The file's password; a new random one is written where there is no file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        password = path.read_text().strip()
        _checked(grammar.password, password, str(path))
        return password
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
    password = secrets.token_urlsafe(18)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    return password


def _checked(check: grammar.Check, value: str, what: str) -> None:
    try:
        check(value)
    except ValidationError as error:
        raise click.ClickException(f"{what}: {error.messages[0]}") from error


if __name__ == "__main__":
    main()
