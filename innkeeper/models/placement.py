# SPDX-License-Identifier: Apache-2.0
"""Why a vm would go to one host and not to another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Candidate(Answer):
    """A host that fits; its terms sum to its score."""

    host: str
    score: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilterCount(Answer):
    """What one filter did: hosts tested, rejected by it first, and by it alone."""

    filter: str
    tested: int = 0
    rejected_first: int = 0
    rejected_alone: int = 0


@dataclass(frozen=True, kw_only=True)
class Miss(Answer):
    """Why one host was refused, in words with numbers."""

    host: str
    filter: str = ""
    reason: str = ""
    lacks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Relaxation(Answer):
    """The smallest change of the request that yields a host."""

    field: str = ""
    asked: str = ""
    fits: str = ""
    host: str = ""
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Explanation(Answer):
    """A placement decision; `host` is "" where none can take the vm. Candidates best first, misses nearest first."""

    host: str = ""
    policy: str = ""
    policy_sha: str = ""
    generation: int = 0
    candidates: tuple[Candidate, ...] = ()
    filters: tuple[FilterCount, ...] = ()
    misses: tuple[Miss, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    watts: float | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)  # id -> name, for those who may know
