# SPDX-License-Identifier: Apache-2.0
"""inn host ..."""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, facts, show, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.words import span
from innkeeper.models.host import Host

COLUMNS = (
    Column("NAME", lambda h: h.name),
    Column("STATE", lambda h: h.state, state=True),
    Column("DRIVER", lambda h: h.driver),
    Column("VCPUS", lambda h: f"{h.used_vcpus}/{h.vcpus}"),
    Column("MEMORY", lambda h: f"{h.used_memory_mib}/{h.memory_mib} MiB"),
    Column("DISK", lambda h: f"{h.used_disk_gib}/{h.disk_gib} GiB"),
    Column("VMS", lambda h: str(h.vms)),
    Column("CPU", lambda h: f"{h.cpu_percent:.0f}%" if h.cpu_percent is not None else ""),
    Column("WATTS", lambda h: _watts(h)),
)


@click.group()
def host() -> None:
    """Hosts: the machines that run vms."""


@host.command("list")
@shared.output
@click.pass_obj
def list_(session: Session, form: str) -> None:
    """All hosts: claimed of what there is, load and watts."""
    with session.client() as client:
        show(list(client.hosts.list()), COLUMNS, form, empty="No hosts yet.")


@host.command("show")
@click.argument("name")
@shared.output
@click.pass_obj
def show_(session: Session, name: str, form: str) -> None:
    """One host."""
    with session.client() as client:
        show_one(client.hosts.find(name), _details, form)


def _details(h: Host) -> str:
    heartbeat = f"{span(h.heartbeat_age_s)} ago" if h.heartbeat_age_s is not None else ""
    cells = [(c.heading.lower(), c.cell(h)) for c in COLUMNS if c.heading not in ("NAME", "STATE", "WATTS")]
    return facts(
        [
            ("name", h.name),
            ("id", h.id),
            ("state", h.state),
            *cells,
            ("watts", _watts(h)),
            ("accelerator", h.accelerator),
            ("zone", h.zone),
            ("traits", ", ".join(h.traits)),
            ("heartbeat", heartbeat),
        ]
    )


def _watts(h: Host) -> str:
    """With its source: a measurement and an estimate are not the same."""
    if h.watts is None:
        return ""
    return f"{h.watts:.0f} ({h.watts_source})" if h.watts_source else f"{h.watts:.0f}"
