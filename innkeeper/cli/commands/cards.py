# SPDX-License-Identifier: Apache-2.0
"""inn vm attach-nic, inn vm detach-nic"""

from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.links import link
from innkeeper.cli.session import Session
from innkeeper.cli.wait import followed


@click.command("attach-nic")
@click.argument("name")
@click.argument("network", metavar="NETWORK[=...]")
@shared.waiting
@shared.output
@click.pass_obj
def attach_nic(session: Session, /, name: str, network: str, wait: bool, **more: Any) -> None:
    """Plug a further card into a vm; NETWORK as in --network of `inn vm create`."""
    try:
        asked = link(network)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with session.client() as client:
        found = client.vms.find(name)
        plugged = client.vms.attach_nic(found.id, asked)
        if not wait:
            click.echo(plugged.job.id)
            return
        followed(client, {plugged.job.id: name}, more["form"], more["timeout"])
        click.echo(plugged.guest, err=True)


@click.command("detach-nic")
@click.argument("name")
@click.argument("mac")
@shared.waiting
@shared.output
@click.pass_obj
def detach_nic(session: Session, /, name: str, mac: str, wait: bool, **more: Any) -> None:
    """Take the card with this MAC out of a vm; its addresses are free again."""
    with session.client() as client:
        job = client.vms.detach_nic(client.vms.find(name).id, mac)
        if not wait:
            click.echo(job.id)
            return
        followed(client, {job.id: name}, more["form"], more["timeout"])
