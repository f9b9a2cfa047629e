# SPDX-License-Identifier: Apache-2.0
"""A placement decision as text: who won by what, who was refused by what, and what would fit."""

from collections.abc import Iterator
from dataclasses import replace

from innkeeper.cli.output import Column, table
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


def explanation_text(decision: Explanation) -> str:
    """The verdict, the candidates with their score's terms, the filters, the nearest misses, and what would fit."""
    return "\n\n".join(_parts(named(decision)))


def named(decision: Explanation) -> Explanation:
    """The decision with names in place of ids, as far as they were told."""
    names = decision.hosts
    return replace(
        decision,
        host=names.get(decision.host, decision.host),
        candidates=tuple(replace(c, host=names.get(c.host, c.host)) for c in decision.candidates),
        misses=tuple(replace(m, host=names.get(m.host, m.host)) for m in decision.misses),
    )


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
