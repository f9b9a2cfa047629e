# SPDX-License-Identifier: Apache-2.0
"""inn explain"""

from typing import TYPE_CHECKING, Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import show_one
from innkeeper.cli.session import Session
from innkeeper.cli.spec import DECIDING, described, needs
from innkeeper.cli.verdict import explanation_text
from innkeeper.errors import NotFound
from innkeeper.models.placement import Explanation

if TYPE_CHECKING:
    from innkeeper.client import Client


@click.command()
@click.argument("target", metavar="[VM|JOB]", required=False)
@described
@click.option("--like", metavar="VM", help="A vm as this one is; other options win.")
@click.option("--why-not", metavar="HOST", help="Say why this host is not chosen.")
@shared.output
@click.pass_obj
def explain(
    session: Session, /, target: str | None, like: str | None, why_not: str | None, form: str, **options: Any
) -> int:
    """Why is this vm where it is? Or, without one: where would a vm of this description go? Nothing is reserved.

    Exit code 5 where no host can take it, or could.
    """
    if target and (like or why_not):
        raise click.UsageError("what was decided is over; ask what would be now: --like VM --why-not HOST")
    with session.client() as client:
        decision = _decided(client, target) if target else _asked(client, like, why_not, options)
    if form == "name":
        click.echo(decision.hosts.get(decision.host, decision.host))
    else:
        show_one(decision, explanation_text, form)
    return 0 if decision.host else 5


def _asked(client: "Client", like: str | None, why_not: str | None, options: dict[str, Any]) -> Explanation:
    """What would be decided now."""
    asked = needs(options)
    if like:
        same = {key: value for key, value in client.vms.find(like).raw.items() if key in DECIDING and value}
        if "flavor" in asked:
            same = {key: value for key, value in same.items() if key not in ("vcpus", "memory_mib", "disk_gib")}
        else:
            same.pop("flavor", None)  # a flavor may have changed, or gone: the vm has the size it has
        asked = {**same, **asked}
    return client.placements.explain(asked | ({"why_not": why_not} if why_not else {}))


def _decided(client: "Client", target: str) -> Explanation:
    """What was decided last, of a job's id or of a vm."""
    found = client.decisions.latest(job=target)
    if found is None:
        found = client.decisions.latest(vm=client.vms.find(target).id)
    if found is None or found.explanation is None:
        detail = f"no decision is kept of {target!r}: it was not placed yet, or long ago"
        raise NotFound(404, {"title": "There is no such thing", "detail": detail})
    return found.explanation
