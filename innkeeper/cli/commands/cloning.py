# SPDX-License-Identifier: Apache-2.0
"""inn vm clone"""

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import facts, show_one
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed
from innkeeper.cli.words import memory
from innkeeper.models.vm import Vm


@click.command()
@click.argument("name")
@click.argument("new")
@click.option("--linked", is_flag=True, help="Read the source's disk, which stays off and as it is meanwhile.")
@click.option("--hostname", metavar="NAME", help="What the guest is called; else as the vm.")
@click.option("--flavor", metavar="NAME", help="Size: `inn flavor list`; else as the source.")
@click.option("--vcpus", type=int, metavar="N")
@click.option("--memory-mib", type=int, metavar="N")
@click.option("--disk-gib", type=int, metavar="N", help="Not less than the source has.")
@click.option("--protect", is_flag=True, help="Refuse to delete it.")
@shared.waiting
@shared.output
@click.pass_obj
def clone(
    session: Session,
    /,
    name: str,
    new: str,
    wait: bool,
    timeout: float | None,
    form: str,
    **more: str | int | bool | None,
) -> None:
    """Make a vm NEW with a copy of the disk of a stopped one; it is left off."""
    asked = {key: value for key, value in more.items() if value not in (None, False)}
    with session.client() as client:
        created = client.vms.clone(client.vms.find(name).id, new, **asked)
        if not wait:
            click.echo(created.job.id)
            return
        followed(client, {created.job.id: new}, form, timeout)
        show_one(client.vms.get(created.vm.id), _summary, form)


def _summary(v: Vm) -> str:
    size = f"{v.vcpus} vCPU, {memory(v.memory_mib)}, {v.disk_gib} GiB disk"
    return facts([("vm", v.name), ("state", v.state), ("size", size), ("host", v.host)])
