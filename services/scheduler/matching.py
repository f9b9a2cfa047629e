# SPDX-License-Identifier: Apache-2.0
"""Which policy is for which request: the most specific match wins, and no two may be equally so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol, TypeVar

from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.placement import Request

ANY = "*"


@dataclass(frozen=True)
class Match:
    """For whom a policy is. Without projects and labels it is for those who name it, or while it is the active one."""

    projects: tuple[str, ...] = ()  # empty or "*": all
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # each must have one of its values; "*": any

    @property
    def given(self) -> bool:
        """Whether it is for anybody by itself."""
        return bool(self.projects or self.labels)

    @property
    def rank(self) -> tuple[bool, int, int]:
        """How specific it is: a project named, then labels, then labels with values named."""
        named = sum(ANY not in values for values in self.labels.values())
        return bool(self.projects) and ANY not in self.projects, len(self.labels), named

    def fits(self, request: Request) -> bool:
        """Whether the request is meant."""
        mine = not self.projects or ANY in self.projects or request.project in self.projects
        return mine and all(
            label in request.labels and (ANY in values or request.labels[label] in values)
            for label, values in self.labels.items()
        )

    def meets(self, other: "Match") -> bool:
        """Whether some request could be meant by both."""
        shared = self.labels.keys() & other.labels.keys()
        return _share(self.projects or (ANY,), other.projects or (ANY,)) and all(
            _share(self.labels[label], other.labels[label]) for label in shared
        )


class Matching(Protocol):
    """What has a name and says for whom it is, such as a Policy."""

    @property
    def name(self) -> str: ...
    @property
    def match(self) -> Match: ...


M = TypeVar("M", bound=Matching)


def select(policies: Sequence[M], request: Request) -> M | None:
    """The policy whose match fits the request most specifically; None where none is for it."""
    fitting = [p for p in policies if p.match.given and p.match.fits(request)]
    return max(fitting, key=lambda p: p.match.rank, default=None)


def check_side_by_side(policies: Sequence[Matching]) -> None:
    """Raise Invalid where two of these could be for the same request without one being more specific."""
    problems = [
        Problem(
            "/match",
            f"{a.name!r} and {b.name!r} are for the same requests, and neither is more specific",
            "give one of them another project, a further label, or other values",
        )
        for a, b in combinations([p for p in policies if p.match.given], 2)
        if a.match.rank == b.match.rank and a.match.meets(b.match)
    ]
    if problems:
        raise Invalid("these policies can't stand side by side: " + "; ".join(p.detail for p in problems), problems)


def _share(ones: Sequence[str], others: Sequence[str]) -> bool:
    return ANY in ones or ANY in others or bool(set(ones) & set(others))
