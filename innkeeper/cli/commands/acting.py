# SPDX-License-Identifier: Apache-2.0
"""Commands that have the server do one thing to some vms or hosts, and follow it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, show
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.client import Client
from innkeeper.errors import Conflict, Unsupported
from innkeeper.models.job import Job


class Acting(Protocol):
    """What `client.vms` and `client.hosts` have in common."""

    def find(self, name_or_id: str, /) -> Any:
        """The thing of that name or id."""

    def get(self, thing_id: str, /) -> Any:
        """The thing as it is now."""

    def act(self, thing_id: str, verb: str, /) -> Job:
        """The job that does it."""


def acting(verb: str, text: str, things: Callable[[Client], Acting], columns: Sequence[Column]) -> click.Command:
    """`verb` as a command for any number of `things`, shown by `columns` when it is done."""

    @click.command(verb, help=text)
    @click.argument("names", nargs=-1, required=True, metavar="NAME...")
    @shared.waiting
    @shared.output
    @click.pass_obj
    def act(session: Session, names: tuple[str, ...], wait: bool, timeout: float | None, form: str) -> None:
        with session.client() as client:
            those = things(client)
            found = [those.find(name) for name in names]
            jobs = {_begun(those, thing.id, verb).id: thing.name for thing in found}
            if not wait:
                click.echo("\n".join(jobs))
                return
            followed(client, jobs, form, timeout)
            show([those.get(thing.id) for thing in found], columns, form)

    return act


def _begun(those: Acting, thing_id: str, verb: str) -> Job:
    """The job that does it. Where the server refuses, what is possible instead is said along."""
    try:
        return those.act(thing_id, verb)
    except (Conflict, Unsupported) as refused:
        refused.possible = tuple(getattr(those.get(thing_id), "verbs", ()))
        raise
