# SPDX-License-Identifier: Apache-2.0
"""inn explain"""

from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import show_one
from innkeeper.cli.session import Session
from innkeeper.cli.spec import described, needs
from innkeeper.cli.verdict import explanation_text


@click.command()
@described
@click.option("--why-not", metavar="HOST", help="Say why this host is not chosen.")
@shared.output
@click.pass_obj
def explain(session: Session, /, why_not: str | None, form: str, **options: Any) -> int:
    """Where would a vm of this description go, and why? Nothing is reserved.

    Exit code 5 where no host can take it.
    """
    with session.client() as client:
        asked = needs(options) | ({"why_not": why_not} if why_not else {})
        decision = client.placements.explain(asked)
    if form == "name":
        click.echo(decision.hosts.get(decision.host, decision.host))
    else:
        show_one(decision, explanation_text, form)
    return 0 if decision.host else 5
