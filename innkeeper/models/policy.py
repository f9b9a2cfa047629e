# SPDX-License-Identifier: Apache-2.0
"""Placement policies, which one is in force, and the decisions made by them."""

from dataclasses import dataclass
from datetime import datetime

from innkeeper.models.placement import Explanation
from innkeeper.models.shape import Answer


@dataclass(frozen=True, kw_only=True)
class Policy(Answer):
    """One version of a policy. `canary_percent` is its share beside the active one; `text` is for admins."""

    id: str
    name: str
    version: int = 0
    sha256: str = ""
    shipped: bool = False
    matched: bool = False  # for the vms that it says, beside others
    active: bool = False
    canary_percent: float = 0.0
    created_by: str = ""
    created_at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicyProblem(Answer):
    """One thing that is wrong in a policy's text."""

    pointer: str = ""
    detail: str = ""
    fix: str = ""
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict(Answer):
    """Whether a text is a policy that the scheduler can use."""

    valid: bool = False
    name: str = ""
    version: int = 0
    sha256: str = ""
    warnings: tuple[str, ...] = ()
    errors: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Activation(Answer):
    """What is in force from a moment on. `problem` says why a scheduler can't use it."""

    id: str = ""
    seq: int = 0
    kind: str = ""
    policy: str = ""
    version: int = 0
    canary: str = ""
    canary_version: int = 0
    canary_percent: float = 0.0
    beside: tuple[str, ...] = ()  # "name@version" of those that decide for the vms they match
    restores: int = 0
    by: str = ""
    at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision(Answer):
    """A placement as it was decided; its explanation comes with one alone, not in lists."""

    id: str
    vm: str = ""
    job: str = ""
    host: str = ""
    policy: str = ""
    policy_sha: str = ""
    generation: int = 0
    created_at: datetime | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True)
class Replay(Answer):
    """A decision, decided again. `same` is None where nothing of it could be; `open` is what isn't kept."""

    policy: str = ""
    policy_sha: str = ""
    host: str = ""
    same: bool | None = None
    checked: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
