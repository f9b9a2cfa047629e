# SPDX-License-Identifier: Apache-2.0
"""inn policy list | show | check | simulate | push | activate | deactivate | rollback | history"""

from datetime import UTC, datetime
from typing import BinaryIO

import click

from innkeeper.cli import options as shared
from innkeeper.cli.commands.simulation import simulate
from innkeeper.cli.exits import Exit
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.words import age, clean
from innkeeper.cli.written import utf8
from innkeeper.models.policy import Activation, Policy, PolicyProblem

COLUMNS = (
    Column("NAME", lambda p: p.name),
    Column("VERSION", lambda p: str(p.version)),
    Column("DECIDES", lambda p: _share(p)),
    Column("SHIPPED", lambda p: "yes" if p.shipped else ""),
    Column("SHA256", lambda p: p.sha256[:12]),
    Column("AGE", lambda p: age(p.created_at, datetime.now(UTC))),
)
MOVES = (
    Column("SEQ", lambda a: str(a.seq)),
    Column("KIND", lambda a: f"{a.kind} to {a.restores}" if a.restores else a.kind),
    Column("POLICY", lambda a: f"{a.policy}@{a.version}"),
    Column("BESIDE", lambda a: ", ".join(a.beside)),
    Column("CANARY", lambda a: _canary(a)),
    Column("AGE", lambda a: age(a.at, datetime.now(UTC))),
    Column("PROBLEM", lambda a: a.problem.partition("\n")[0]),
)


@click.group()
def policy() -> None:
    """Placement policies: what decides which host a vm gets."""


policy.add_command(simulate)


@policy.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """Every version of every policy, and which decides."""
    with session.client() as client:
        show(list(client.policies.list()), COLUMNS, form, empty="No policies yet: no scheduler has run here.")


@policy.command("show")
@click.argument("name", metavar="NAME[@VERSION]")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One version; for admins with its text."""
    with session.client() as client:
        show_one(client.policies.find(name), _told, form)


@policy.command()
@click.argument("file", type=click.File("rb"))
@click.pass_obj
def check(session: Session, file: BinaryIO) -> int:
    """Say what is wrong in FILE, each with line and column. Exit code 5 where it is no policy."""
    with session.client() as client:
        found = client.policies.validate(utf8(file))
    for problem in found.errors:
        click.echo(_at(file.name, problem), err=True)
    if not found.valid:
        return Exit.REFUSED
    for warning in found.warnings:
        click.echo(f"{file.name}: warning: {warning}", err=True)
    click.echo(f"{found.name}@{found.version} {found.sha256[:12]} can be used")
    return Exit.OK


@policy.command()
@click.argument("file", type=click.File("rb"))
@click.option("--activate", is_flag=True, help="Put it in force at once.")
@click.pass_obj
def push(session: Session, file: BinaryIO, activate: bool) -> int:
    """Store the version that FILE describes; it decides nothing until it is activated."""
    text = utf8(file)
    with session.client() as client:
        found = client.policies.validate(text)
        if not found.valid:
            for problem in found.errors:
                click.echo(_at(file.name, problem), err=True)
            return Exit.REFUSED
        stored = client.policies.push(text)
        click.echo(f"{stored.name}@{stored.version} {stored.sha256[:12]} is stored")
        if activate:
            click.echo(_moved(client.policies.activate(stored.id)))
    return Exit.OK


@policy.command()
@click.argument("name", metavar="NAME[@VERSION]")
@click.option(
    "--canary",
    type=click.FloatRange(0.01, 100),
    default=100.0,
    metavar="PERCENT",
    help="For this share of the vms, beside the active one.",
)
@click.pass_obj
def activate(session: Session, name: str, canary: float) -> None:
    """Put a version in force; schedulers follow within seconds."""
    with session.client() as client:
        click.echo(_moved(client.policies.activate(client.policies.find(name).id, canary)))


@policy.command()
@click.argument("name", metavar="NAME[@VERSION]")
@click.pass_obj
def deactivate(session: Session, name: str) -> None:
    """Take away a canary, or a policy that decides only for the vms it matches."""
    with session.client() as client:
        click.echo(_moved(client.policies.deactivate(client.policies.find(name).id)))


@policy.command()
@click.pass_obj
def rollback(session: Session) -> None:
    """Go back to what was in force before."""
    with session.client() as client:
        click.echo(_moved(client.policies.rollback()))


@policy.command()
@shared.output
@click.pass_obj
def history(session: Session, form: str) -> None:
    """What was in force when; the first line is in force now."""
    with session.client() as client:
        show(client.policies.history(), MOVES, form, empty="No policy was ever in force: no scheduler has run here.")


def _at(name: str, problem: PolicyProblem) -> str:
    """As compilers say it, so that editors find the place."""
    place = f"{name}:{problem.line}:{problem.column}" if problem.line else name
    fix = f" ({problem.fix})" if problem.fix else ""
    return clean(f"{place}: {problem.pointer}: {problem.detail}{fix}")


def _share(found: Policy) -> str:
    if found.active:
        return "for its match" if found.matched else "active"
    return f"{found.canary_percent:g}%" if found.canary_percent else ""


def _canary(found: Activation) -> str:
    return f"{found.canary}@{found.canary_version} {found.canary_percent:g}%" if found.canary else ""


def _moved(found: Activation) -> str:
    beside = f", and {_canary(found)} of the vms" if found.canary else ""
    others = f", beside it {', '.join(found.beside)}" if found.beside else ""
    return f"in force: {found.policy}@{found.version}{others}{beside}"


def _told(found: Policy) -> str:
    head = facts(
        [
            ("name", found.name),
            ("version", str(found.version)),
            ("id", found.id),
            ("sha256", found.sha256),
            ("decides", _share(found)),
            ("shipped", "yes" if found.shipped else ""),
        ]
    )
    return f"{head}\n\n{found.text.rstrip()}" if found.text else head
