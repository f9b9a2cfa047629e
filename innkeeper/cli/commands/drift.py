# SPDX-License-Identifier: Apache-2.0
"""inn vm drift: what was done to a vm behind the platform's back, and what to do about it."""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.asking import sure
from innkeeper.cli.output import Column, facts, show_one, table
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.models.drift import DriftJournal

COLUMNS = (
    Column("AT", lambda e: e.at.isoformat(timespec="seconds") if e.at else ""),
    Column("WHAT", lambda e: e.text),
    Column("BY", lambda e: str(e.data.get("by", ""))),
)


@click.command()
@click.argument("name")
@click.option("--adopt", "remedy", flag_value="adopt", help="What is, is what was asked for from now on.")
@click.option("--repair", "remedy", flag_value="repair", help="Bring back what was asked for, and follow the job.")
@click.option("--forget", "remedy", flag_value="forget", help="Remove what is left of a vm that is missing.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask before forgetting.")
@shared.waiting
@shared.output
@click.pass_obj
def drift(
    session: Session, name: str, remedy: str | None, yes: bool, wait: bool, timeout: float | None, form: str
) -> None:
    """What was done to a vm behind the platform's back; and adopt it, repair it, or forget the vm."""
    with session.client() as client:
        vm = client.vms.find(name)
        if remedy == "forget":
            sure(yes, f"forget {vm.name}, with all that is left of it")
        job = client.vms.settle(vm.id, remedy) if remedy else None
        if job is not None and not wait:
            click.echo(job.id)
            return
        if job is not None:
            followed(client, {job.id: vm.name}, form, timeout)
        if remedy != "forget":
            show_one(client.vms.drift(vm.id), _journal, form)


def _journal(found: DriftJournal) -> str:
    if found.drift is None:
        head = "It is as it was asked to be."
    else:
        disks = {True: "still there", False: "gone", None: ""}[found.drift.files]
        lines = [
            ("wanted", found.drift.wanted),
            ("power", found.drift.power),
            ("disks", disks),
            ("job", found.drift.job),
        ]
        head = facts([*lines, ("can be", ", ".join(found.drift.can))])
    return f"{head}\n\n{table(found.items, COLUMNS)}" if found.items else head
