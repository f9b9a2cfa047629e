# SPDX-License-Identifier: Apache-2.0
"""A decision with the explanation that is kept with each: small, and cheap to make."""

from collections.abc import Collection
from typing import NamedTuple

from services.common.contracts.placement import FilterCount, Request, Scored
from services.scheduler.engine.formulas import GRAIN
from services.scheduler.engine.plan import Plan
from services.scheduler.engine.table import Ints


class Compact(NamedTuple):
    """A choice: `row` and `host` are -1 and "" where no host can take the vm.

    `candidates` and `filters` say what a full Decision says; misses and relaxations take Engine.explain.
    A tuple, which is made in a third of a frozen dataclass's time.
    """

    request: Request
    policy_sha: str
    generation: int
    tested: int  # hosts there were
    row: int
    host: str
    ids: tuple[str, ...]  # of the best hosts, best first
    note: Ints
    plan: Plan

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of the best hosts, best first."""
        return tuple(int(row) for row in self.note[1 : 1 + int(self.note[0])])

    def shown(self, but: Collection[str] = ()) -> list[tuple[str, list[int]]]:
        """The choice, then others that aren't in `but`, best first, with their grains: as many as the policy shows."""
        numbers, each = self.note.tolist(), len(self.plan.terms)
        start = 1 + (len(numbers) - 2 * len(self.plan.names) - 1) // (1 + each)
        chosen = self.ids.index(self.host) if self.host else 0
        told = [n for n, host in enumerate(self.ids) if n != chosen and host not in but]
        told = [chosen, *told][: self.plan.policy.top] if self.ids else []
        return [(self.ids[n], numbers[start + n * each : start + (n + 1) * each]) for n in told]

    @property
    def score(self) -> float:
        """What the host is worth; 0 where there is none."""
        return sum(self.shown()[0][1]) / GRAIN if self.host else 0.0

    @property
    def candidates(self) -> tuple[Scored, ...]:
        """The best hosts with the terms that sum to their scores exactly: the choice, then the others, best first."""
        found = []
        for host, grains in self.shown():
            terms = {name: count / GRAIN for name, count in zip(self.plan.terms, grains, strict=True)}
            found.append(Scored(host, sum(terms.values()), terms))
        return tuple(found)

    @property
    def filters(self) -> tuple[FilterCount, ...]:
        """What each filter did, in the policy's order."""
        names, left = self.plan.names, self.tested
        counts, told = self.note[len(self.note) - 2 * len(names) :].tolist(), []
        for n, name in enumerate(names):
            told.append(FilterCount(name, left, counts[n], counts[len(names) + n]))
            left -= counts[n]
        return tuple(told)
