# SPDX-License-Identifier: Apache-2.0
"""inn vm resize"""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import facts, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import memory, pairs
from innkeeper.models.vm import Vm


@click.command()
@click.argument("name")
@click.option("--flavor", metavar="NAME", help="Size: `inn flavor list`; its disk is left aside.")
@click.option("--vcpus", type=int, metavar="N")
@click.option("--memory-mib", type=int, metavar="N")
@shared.waiting
@shared.output
@click.pass_obj
def resize(
    session: Session,
    /,
    name: str,
    wait: bool,
    timeout: float | None,
    form: str,
    **sizes: str | int | None,
) -> None:
    """Give a vm other sizes, at once where its host can do that, else when it is off next."""
    asked = {key: value for key, value in sizes.items() if value is not None}
    if not asked:
        raise click.UsageError("say what it shall have: --flavor, or --vcpus, --memory-mib or both")
    with session.client() as client:
        found = client.vms.find(name)
        job = client.vms.resize(found.id, **asked)
        if not wait:
            click.echo(job.id)
            return
        followed(client, {job.id: found.name}, form, timeout)
        show_one(client.vms.get(found.id), _sizes, form)


def _sizes(v: Vm) -> str:
    waits = f"until {v.pending.until} it has {pairs(v.pending.now)}" if v.pending else ""
    return facts([("vm", v.name), ("size", f"{v.vcpus} vCPU, {memory(v.memory_mib)}"), ("pending", waits)])
