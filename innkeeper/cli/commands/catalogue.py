# SPDX-License-Identifier: Apache-2.0
"""inn os list, inn flavor list"""

from collections.abc import Sequence

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, show
from innkeeper.cli.session import Session
from innkeeper.cli.words import memory
from innkeeper.models.catalogue import Os


def _lister(noun: str, resource: str, text: str, columns: Sequence[Column]) -> click.Group:
    """A noun that can only be listed."""

    @click.group(noun, help=text)
    def group() -> None: ...

    @group.command("list", help=text)
    @shared.output
    @click.pass_obj
    def list_(session: Session, form: str) -> None:
        with session.client() as client:
            show(list(getattr(client, resource).list()), columns, form, empty="None.")

    return group


def _available(system: Os) -> str:
    if not system.installable:
        return "image preview only"
    return "yes" if system.available else "no, import its media first"


os = _lister(
    "os",
    "os",
    "The operating systems a vm can have.",
    (
        Column("NAME", lambda o: o.name),
        Column("WHAT", lambda o: o.display_name),
        Column("NEEDS", lambda o: ", ".join(filter(None, (memory(o.min_memory_mib), f"{o.min_disk_gib} GiB disk")))),
        Column("AVAILABLE", _available),
    ),
)
flavor = _lister(
    "flavor",
    "flavors",
    "The sizes a vm can have.",
    (
        Column("NAME", lambda f: f.name or f.id),
        Column("VCPUS", lambda f: str(f.vcpus)),
        Column("MEMORY", lambda f: memory(f.memory_mib)),
        Column("DISK", lambda f: f"{f.disk_gib} GiB"),
    ),
)
