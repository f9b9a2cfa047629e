# SPDX-License-Identifier: Apache-2.0
"""inn explain"""

from collections.abc import Iterator
from typing import Any

import click

from innkeeper.cli import options as shared
from innkeeper.cli.output import Column, show_one, table
from innkeeper.cli.session import Session
from innkeeper.cli.spec import described, needs
from innkeeper.models.placement import Explanation

FILTERS = (
    Column("FILTER", lambda f: f.filter),
    Column("TESTED", lambda f: str(f.tested)),
    Column("REJECTED FIRST", lambda f: str(f.rejected_first)),
    Column("REJECTED ALONE", lambda f: str(f.rejected_alone)),
)
MISSES = (
    Column("REFUSED", lambda m: m.host),
    Column("BY", lambda m: m.filter),
    Column("WHY", lambda m: m.reason),
)


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
        click.echo(decision.host)
    else:
        show_one(decision, explanation_text, form)
    return 0 if decision.host else 5


def explanation_text(decision: Explanation) -> str:
    """The verdict, the candidates with their score's terms, the filters, the nearest misses, and what would fit."""
    return "\n\n".join(_parts(decision))


def _parts(decision: Explanation) -> Iterator[str]:
    watts = f", about {decision.watts:+.1f} W" if decision.watts is not None else ""
    verdict = f"goes to {decision.host}{watts}" if decision.host else "no host can take it"
    yield f"{verdict} (policy {decision.policy or '?'} {decision.policy_sha[:12]})".replace(" )", ")")
    if decision.candidates:
        terms = list(dict.fromkeys(term for c in decision.candidates for term in c.terms))
        yield table(decision.candidates, _score_columns(terms))
    if decision.filters:
        yield table(decision.filters, FILTERS)
    if decision.misses:
        yield table(decision.misses, MISSES)
    if decision.relaxations:
        yield "\n".join(["would fit:", *(f"  {r.sentence}" for r in decision.relaxations)])


def _score_columns(terms: list[str]) -> list[Column]:
    def term(name: str) -> Column:
        return Column(name.upper(), lambda c: f"{c.terms[name]:.3f}" if name in c.terms else "")

    return [Column("HOST", lambda c: c.host), Column("SCORE", lambda c: f"{c.score:.3f}"), *map(term, terms)]
